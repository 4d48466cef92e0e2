package app.callfield.core

import java.io.File
import java.net.URI
import java.net.http.HttpClient
import java.net.http.HttpRequest
import java.net.http.HttpResponse
import java.nio.file.Files
import java.nio.file.Path
import java.security.KeyStore
import java.security.cert.CertificateFactory
import java.util.concurrent.TimeUnit
import javax.net.ssl.SSLContext
import javax.net.ssl.TrustManagerFactory

/** The real server on a free loopback port with a fresh SQLite file, one tenant, one user and one contact. */
class Server(private val folder: Path) : AutoCloseable {
    private val programs = Path.of(System.getProperty("callfield.programs")).toAbsolutePath()
    private val config = folder.resolve("callfield.toml")
    private val token: String
    private val process: Process
    private val http: HttpClient
    val url: String
    val caPem: String
    val user: String
    val contact: String

    init {
        Files.writeString(
            config,
            """
            [server]
            listen = "127.0.0.1:0"
            data_dir = "${folder.resolve("data")}"
            [sip]
            udp = "127.0.0.1:0"
            tcp = "off"
            [media]
            bind = "127.0.0.1"
            """.trimIndent(),
        )
        val tenant = admin("tenant", "ABC Sales", "--country", "JP")
        token = admin("token", "--tenant", tenant)
        val ready = folder.resolve("ready.json")
        process = start("serve", "--config", config.toString(), "--ready-file", ready.toString())
        url = Regex("\"url\":\"([^\"]+)\"").find(waitFor(ready))!!.groupValues[1]
        caPem = Files.readString(folder.resolve("data/cert.pem"))
        http = HttpClient.newBuilder().sslContext(trusting(caPem)).build()
        user = id(post("/v1/users", """{"name":"Suzuki Hanako"}"""))
        contact = id(
            post(
                "/v1/records",
                """{"type":"contact","owner":"$user","fields":{"last_name":"Tanaka","first_name":"Ichiro",
                   "organization_name":"ABC 株式会社","phones":{"+81312345678":{"type":"office"}}}}""",
            ),
        )
    }

    /** A one-time code for a device of the user. */
    fun enrolmentCode(): String =
        Regex("\"code\":\"([^\"]+)\"").find(post("/v1/enrolment-codes", """{"user":"$user"}"""))!!.groupValues[1]

    /** GET with the admin token. */
    fun get(path: String): String = send(request(path).GET().build())

    override fun close() {
        process.destroy()
        check(process.waitFor(10, TimeUnit.SECONDS)) { "the server did not stop" }
    }

    private fun post(path: String, body: String): String =
        send(request(path).header("content-type", "application/json").POST(HttpRequest.BodyPublishers.ofString(body)).build())

    private fun request(path: String) = HttpRequest.newBuilder(URI.create(url + path)).header("authorization", "Bearer $token")

    private fun send(request: HttpRequest): String {
        val answer = http.send(request, HttpResponse.BodyHandlers.ofString())
        check(answer.statusCode() in 200..299) { "${request.uri()} answered ${answer.statusCode()}: ${answer.body()}" }
        return answer.body()
    }

    private fun admin(vararg args: String): String {
        val process = start("admin", args.first(), "--config", config.toString(), *args.drop(1).toTypedArray())
        val said = process.inputStream.bufferedReader().readText().trim()
        check(process.waitFor() == 0) { "callfield admin ${args.first()} failed; see ${folder.resolve("server.log")}" }
        return said
    }

    private fun start(vararg args: String): Process =
        ProcessBuilder(programs.resolve("callfield").toString(), *args)
            .redirectError(ProcessBuilder.Redirect.appendTo(folder.resolve("server.log").toFile()))
            .start()

    private fun waitFor(file: Path): String {
        repeat(1000) {
            if (File(file.toString()).length() > 0) return Files.readString(file)
            check(process.isAlive) { "the server ended:\n${Files.readString(folder.resolve("server.log"))}" }
            Thread.sleep(20)
        }
        error("the server was not ready in 20 s")
    }

    private fun trusting(pem: String): SSLContext {
        val store = KeyStore.getInstance(KeyStore.getDefaultType()).apply { load(null) }
        val certificates = CertificateFactory.getInstance("X.509").generateCertificates(pem.byteInputStream())
        certificates.forEachIndexed { index, certificate -> store.setCertificateEntry("callfield$index", certificate) }
        val trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm()).apply { init(store) }
        return SSLContext.getInstance("TLS").apply { init(null, trust.trustManagers, null) }
    }

    private fun id(json: String): String = Regex("\"id\":\"([^\"]+)\"").find(json)!!.groupValues[1]
}
