# The stores' limits on the texts in metadata/, in characters. Plain Ruby, so that it runs without fastlane.

module StoreTexts
  # deliver: metadata/<locale>/<file>.txt
  APP_STORE = { "name" => 30, "subtitle" => 30, "keywords" => 100, "description" => 4000 }.freeze
  # supply: metadata/android/<locale>/<file>.txt
  PLAY = { "title" => 30, "short_description" => 80, "full_description" => 4000 }.freeze

  # One line for each text that is missing, empty or too long.
  def self.wrong(folder)
    app_store = Dir.children(folder).reject { |locale| locale == "android" }
    play = Dir.children(File.join(folder, "android"))
    app_store.flat_map { |locale| wrong_texts(File.join(folder, locale), APP_STORE) } +
      play.flat_map { |locale| wrong_texts(File.join(folder, "android", locale), PLAY) }
  end

  def self.wrong_texts(folder, limits)
    limits.filter_map do |name, limit|
      path = File.join(folder, "#{name}.txt")
      next "#{path} is missing" unless File.file?(path)

      length = File.read(path, encoding: "UTF-8").strip.length
      "#{path}: #{length} characters of 1 to #{limit}" unless (1..limit).cover?(length)
    end
  end
end
