# Loads the Fastfile with a stand-in for fastlane's words, and checks what can be checked without the stores: that it
# loads, that every lane has a description, and that the store texts fit.

require_relative "store_texts"

LANES = []

def default_platform(_name); end

def import(path)
  load File.expand_path(path, __dir__)
end

def desc(text)
  @described = text
end

def lane(name)
  LANES << [[@platform, name].compact.join(" "), @described]
  @described = nil
end

def platform(name)
  @platform = name
  yield
ensure
  @platform = nil
end

load File.expand_path("Fastfile", __dir__)

wrong = LANES.reject { |_, described| described }.map { |name, _| "#{name} has no desc" }
wrong << "no lane was found" if LANES.empty?
wrong.concat(StoreTexts.wrong(File.expand_path("metadata", __dir__)))
abort(wrong.join("\n")) unless wrong.empty?
puts "#{LANES.size} lanes: #{LANES.map(&:first).join(', ')}; the store texts fit"
