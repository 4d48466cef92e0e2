package app.callfield.core

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertInstanceOf
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Test

/** What a push handler sees: an answer at once for every payload, with no store and no network. */
class PushTest {
    private val call = "019ab3d4-0000-7000-8000-000000000001"
    private val wake = """{"v":1,"call":"$call","node":"https://127.0.0.1:8443","expires":2000,"sealed":"AAAA"}"""

    private fun decide(kind: PushKind, payload: String, now: Long = 1000): PushDecision =
        decodePush(kind, payload.toByteArray(), now, null)

    @Test
    fun `a wake rings without the key, only the caller is unknown`() {
        val decision = decide(PushKind.APNS_VOIP, """{"aps":{},"callfield":$wake}""")
        val ring = assertInstanceOf(PushDecision.Ring::class.java, decision)
        assertEquals(call, ring.call)
        assertEquals(2000L, ring.expiresAt)
        assertNull(ring.caller)
    }

    @Test
    fun `fcm carries the same wake as text`() {
        val text = wake.replace("\"", "\\\"")
        assertInstanceOf(PushDecision.Ring::class.java, decide(PushKind.FCM, """{"data":{"callfield":"$text"}}"""))
    }

    @Test
    fun `a late wake is reported and ended`() {
        val decision = decide(PushKind.APNS_VOIP, """{"callfield":$wake}""", now = 2000)
        assertEquals(PushDecision.ReportAndEnd(call, PushEndReason.EXPIRED), decision)
    }

    @Test
    fun `rubbish gets an answer too`() {
        val decision = decide(PushKind.APNS_VOIP, "\u0000{")
        assertEquals(PushDecision.ReportAndEnd(null, PushEndReason.UNDECODABLE), decision)
    }
}
