#include "tests/integration/scene.h"

#include <jpeglib.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "core/image/photo.h"

namespace likeness::integration {
namespace {

api::Image pattern(int shade, int side) {
  auto bytes = std::make_shared<std::vector<std::uint8_t>>();
  const int cell = 5 + 3 * shade;
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      const bool light = ((x / cell) + (y / (cell + shade))) % 2 == 0;
      bytes->push_back(static_cast<std::uint8_t>(light ? 230 : 20 + x * 100 / side));
      bytes->push_back(static_cast<std::uint8_t>((y * 255 / side + shade * 60) % 256));
      bytes->push_back(static_cast<std::uint8_t>(light ? 40 * shade % 256 : 200));
    }
  }
  return {side, side, api::PixelFormat::Rgb8, std::move(bytes)};
}

}  // namespace

fs::path starter() { return fs::absolute(std::getenv("LIKENESS_RESOURCES")) / "starter"; }

void writeText(const fs::path& file, const std::string& text) {
  std::ofstream(file, std::ios::binary) << text;
}

std::string readText(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

void writePhoto(const fs::path& file, int shade, int side) {
  const auto written = image::writePng(file, pattern(shade, side));
  if (!written) throw std::runtime_error(api::message(written.error()));
}

void writeJpeg(const fs::path& file, int shade, int side) {
  const api::Image image = pattern(shade, side);
  FILE* out = std::fopen(file.c_str(), "wb");
  jpeg_compress_struct compress{};
  jpeg_error_mgr errors{};
  compress.err = jpeg_std_error(&errors);
  jpeg_create_compress(&compress);
  jpeg_stdio_dest(&compress, out);
  compress.image_width = compress.image_height = static_cast<JDIMENSION>(side);
  compress.input_components = 3;
  compress.in_color_space = JCS_RGB;
  jpeg_set_defaults(&compress);
  jpeg_start_compress(&compress, TRUE);
  while (compress.next_scanline < compress.image_height) {
    auto* row = const_cast<JSAMPROW>(image.data() + std::size_t{compress.next_scanline} *
                                                        static_cast<std::size_t>(side) * 3);
    jpeg_write_scanlines(&compress, &row, 1);
  }
  jpeg_finish_compress(&compress);
  jpeg_destroy_compress(&compress);
  std::fclose(out);
}

Scene::Scene() {
  std::string pattern = (fs::temp_directory_path() / "likeness-test-XXXXXX").string();
  m_folder = mkdtemp(pattern.data());
  setenv("XDG_STATE_HOME", (m_folder / "state").c_str(), 1);
}
Scene::~Scene() {
  std::error_code error;
  fs::remove_all(m_folder, error);
}

fs::path Scene::photos(int count, const std::string& name) const {
  fs::create_directories(at(name));
  for (int i = 0; i < count; ++i) writePhoto(at(name) / ("photo" + std::to_string(i) + ".png"), i);
  return at(name);
}

fs::path Scene::modelCopy(const std::string& name) const {
  fs::copy(starter(), at(name), fs::copy_options::recursive);
  return at(name);
}

std::vector<std::string> Scene::training(const fs::path& photos,
                                         const fs::path& out,
                                         int steps,
                                         std::vector<std::string> more) const {
  std::vector<std::string> arguments = {"train",
                                        "--base",
                                        starter().string(),
                                        "--photos",
                                        photos.string(),
                                        "--class",
                                        "toy",
                                        "--out",
                                        out.string(),
                                        "--steps",
                                        std::to_string(steps),
                                        "--resolution",
                                        "64",
                                        "--class-images",
                                        "2",
                                        "--class-steps",
                                        "2",
                                        "--sample-every",
                                        "-1",
                                        "--probe-every",
                                        "-1",
                                        "--dtype",
                                        "fp32",
                                        "--json"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

void expectError(const Finished& finished, const std::string& code, int exitCode) {
  SCOPED_TRACE(code + "\n" + finished.err + finished.out);
  EXPECT_EQ(finished.exitCode, exitCode);
  EXPECT_NE(finished.err.find("Error: "), std::string::npos);
  EXPECT_EQ(finished.err.find("frame #"), std::string::npos) << "a backtrace";
  EXPECT_EQ(finished.err.find('{'), std::string::npos) << "an unfilled placeholder";
  const auto json = finished.json();
  ASSERT_TRUE(json.is_object() && json.contains("error")) << finished.out;
  const auto& error = json["error"];
  EXPECT_EQ(error.value("code", ""), code);
  EXPECT_FALSE(error.value("message", "").empty());
  EXPECT_FALSE(error.value("hint", "").empty());
  EXPECT_TRUE(error["context"].is_object());
}

}  // namespace likeness::integration
