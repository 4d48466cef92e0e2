# Android: the phone API is tested on a JVM. The app, its signing and the Play lanes come with the app.

platform :android do
  desc "Run the Kotlin tests of the phone API on the JVM"
  lane :test do
    sh("../dev", "kotlin")
  end
end
