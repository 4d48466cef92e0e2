# Lanes for both platforms.

require_relative "store_texts"

desc "Check the store texts against the stores' length limits"
lane :metadata_check do
  wrong = StoreTexts.wrong(File.expand_path("../metadata", __dir__))
  UI.user_error!(wrong.join("\n")) unless wrong.empty?
  UI.success("The store texts fit")
end

desc "Build the phone core and its Kotlin binding for this machine"
lane :core do
  sh("../dev", "bindings")
end
