package app.callfield.core

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** The number rules of the server, on the phone. */
class NumberTest {
    @Test
    fun `full width digits and an extension are read`() {
        val number = normaliseNumber("０３－１２３４－５６７８ 内線 123", "JP")
        assertEquals("+81312345678", number.e164)
        assertEquals("123", number.extension)
        assertEquals("０３－１２３４－５６７８ 内線 123", number.raw)
    }

    @Test
    fun `an emergency number goes to the native dialler`() {
        val number = normaliseNumber("110", "JP")
        assertTrue(number.isEmergency)
        assertNull(number.e164)
    }
}
