# iOS: the core as a static library. Written and never run: it needs a Mac with Xcode and the Rust targets for iOS.

IOS_TARGETS = %w[aarch64-apple-ios aarch64-apple-ios-sim].freeze

platform :ios do
  desc "Build the phone core for devices and the simulator"
  lane :core do
    UI.user_error!("This lane needs macOS") unless RUBY_PLATFORM.include?("darwin")
    IOS_TARGETS.each do |target|
      sh("cargo", "rustc", "--release", "--locked", "-p", "callfield-ffi", "--lib",
         "--crate-type", "staticlib", "--target", target)
    end
  end
end
