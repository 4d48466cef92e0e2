# Lanes for both platforms.

desc "Check the lanes and the store texts"
lane :metadata_check do
  sh("ruby", "check.rb")
end

desc "Build the phone core and its Kotlin binding for this machine"
lane :core do
  sh("../dev", "bindings")
end
