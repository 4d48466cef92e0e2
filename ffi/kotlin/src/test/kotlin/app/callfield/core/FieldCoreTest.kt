package app.callfield.core

import java.nio.file.Path
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.BeforeAll
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestInstance
import org.junit.jupiter.api.io.TempDir

/** A phone on the JVM against the real server. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class FieldCoreTest {
    private lateinit var server: Server

    @BeforeAll
    fun start(@TempDir folder: Path) {
        initPlatform()
        server = Server(folder)
    }

    @AfterAll
    fun stop() = server.close()

    private suspend fun phone(folder: Path): FieldCore =
        FieldCore.open(Platform(PlatformKind.ANDROID, "Pixel", "0.1.0", "15", folder.toString(), 540))

    private suspend fun enrolled(folder: Path): FieldCore = phone(folder).also {
        it.enrol(Enrolment(server.url, server.caPem, server.enrolmentCode(), null))
        it.sync(SyncReason.FOREGROUND, 10_000u)
    }

    @Test
    fun `a call logged without a network is read back through the API after sync`(@TempDir folder: Path) = runBlocking {
        val core = enrolled(folder)
        val tanaka = core.records().contacts("tanaka", 10u).single()
        assertEquals(server.contact, tanaka.id)

        val now = System.currentTimeMillis()
        val journal = core.journal()
        val call = journal.nativeCallObserved(NativeCall("03-1234-5678", true, now - 60_000, now - 50_000, now))
        assertEquals(call, journal.toLog(10u).single().call)
        val form = LogForm(result = "interested", details = "wants a quote", followUp = FollowUp.Tomorrow)
        val logged = journal.log(call, form)
        assertTrue(journal.toLog(10u).isEmpty())

        val outcome = core.sync(SyncReason.MANUAL, 10_000u)
        assertEquals(0u, outcome.unsent)
        assertTrue(server.get("/v1/records/${logged.record}").contains("\"result\":\"interested\""))
        assertTrue(server.get("/v1/records/${logged.followUp}").contains("\"due_at\":"))
    }

    @Test
    fun `a wrong code is a typed error`(@TempDir folder: Path) {
        val refused = assertThrows(CoreException.Refused::class.java) {
            runBlocking { phone(folder).enrol(Enrolment(server.url, server.caPem, "WRNG-CODE", null)) }
        }
        assertEquals("enrolment_code_unknown", refused.code)
        assertEquals(404.toUShort(), refused.status)
    }

    @Test
    fun `a phone that is not enrolled cannot sync`(@TempDir folder: Path) {
        assertThrows(CoreException.NotEnrolled::class.java) {
            runBlocking { phone(folder).sync(SyncReason.MANUAL, 1_000u) }
        }
    }

    @Test
    fun `a log is written once`(@TempDir folder: Path): Unit = runBlocking {
        val core = enrolled(folder)
        val now = System.currentTimeMillis()
        val call = core.journal().nativeCallObserved(NativeCall("+819011112222", false, now - 2_000, null, now))
        core.journal().log(call, LogForm(result = "no_response"))
        assertThrows(LogException.AlreadyLogged::class.java) {
            runBlocking { core.journal().log(call, LogForm(result = "interested")) }
        }
    }

    @Test
    fun `a panic arrives as an exception`() {
        assertThrows(InternalException::class.java) { panicOnPurpose() }
        assertThrows(CoreException.Broken::class.java) { runBlocking { panicOnTheRuntime() } }
    }

    @Test
    fun `cancelling a coroutine leaves the store whole`(@TempDir folder: Path): Unit = runBlocking {
        val core = enrolled(folder)
        var landed = 0
        var cancelled = 0
        repeat(21) { round ->
            // Undispatched: the edit is under way when launch returns, and its answer waits for this thread.
            val editing = launch(start = CoroutineStart.UNDISPATCHED) {
                core.records().edit(server.contact, """{"title":"round $round","department":"round $round"}""")
            }
            if (round % 2 == 1) editing.cancel()
            editing.join()
            if (editing.isCancelled) cancelled++ else landed++
            assertWhole(core.records().record(server.contact)?.fieldsJson, "on the phone after round $round")
        }
        assertEquals(11 to 10, landed to cancelled)
        // The edit that was cancelled last may still land beside the first sync.
        core.sync(SyncReason.MANUAL, 10_000u)
        assertEquals(0u, core.sync(SyncReason.MANUAL, 10_000u).unsent)
        assertWhole(server.get("/v1/records/${server.contact}"), "on the server")
    }

    /** Both fields of an edit are there, and of the same round. */
    private fun assertWhole(json: String?, where: String) {
        val (title, department) = listOf("title", "department").map { field ->
            Regex("\"$field\":\"round (\\d+)\"").find(json.orEmpty())?.groupValues?.get(1)
        }
        assertNotNull(title, "no edit landed $where")
        assertEquals(title, department, "an edit of two fields was cut in two $where")
    }
}
