// Every kind of picture that a person may drop, and what looks like one.
#include "core/image/photo.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/core/image/encoders.h"
#include "tests/support/temp_folder.h"
#ifdef LIKENESS_HAVE_HEIF
#include <libheif/heif.h>
#endif

namespace likeness::image {
namespace {

namespace fs = std::filesystem;
using api::ErrorCode;
using Colour = std::array<int, 3>;

constexpr Colour kRed{255, 0, 0}, kGreen{0, 255, 0}, kBlue{0, 0, 255}, kWhite{255, 255, 255};

Colour at(const api::Image& image, int x, int y) {
  const std::uint8_t* p = image.data() + (static_cast<std::ptrdiff_t>(y) * image.width + x) * 3;
  return {p[0], p[1], p[2]};
}
void expectNear(const Colour& actual, const Colour& expected, int tolerance) {
  for (int c = 0; c < 3; ++c) EXPECT_NEAR(actual[c], expected[c], tolerance) << "channel " << c;
}
/// Quadrants red, green / blue, white.
Colour quadrant(int x, int y, int width, int height) {
  return y < height / 2 ? (x < width / 2 ? kRed : kGreen) : (x < width / 2 ? kBlue : kWhite);
}
test::Pixels quadrants(int width, int height, int channels = 3) {
  return test::paint(width, height, channels, [&](int x, int y, int c) {
    return static_cast<std::uint8_t>(c == 3 ? 255 : quadrant(x, y, width, height)[c]);
  });
}

class Photo : public testing::Test {
 protected:
  api::Result<Decoded> read(const std::string& content) {
    const fs::path file = m_folder / "photo.bin";
    support::put(file, content);
    return readPhoto(file);
  }
  void expectError(const std::string& content, ErrorCode code) {
    const auto photo = read(content);
    ASSERT_FALSE(photo.has_value());
    EXPECT_EQ(photo.error().code, code) << api::message(photo.error());
    EXPECT_NE(api::message(photo.error()).find("photo.bin"), std::string::npos);
  }
  support::TempFolder m_folder;
};

TEST_F(Photo, isTurnedUprightByEveryExifOrientation) {
  // Corners after turning: top left, top right, bottom left, bottom right.
  const std::array<std::array<Colour, 4>, 8> corners{{{kRed, kGreen, kBlue, kWhite},
                                                      {kGreen, kRed, kWhite, kBlue},
                                                      {kWhite, kBlue, kGreen, kRed},
                                                      {kBlue, kWhite, kRed, kGreen},
                                                      {kRed, kBlue, kGreen, kWhite},
                                                      {kBlue, kRed, kWhite, kGreen},
                                                      {kWhite, kGreen, kBlue, kRed},
                                                      {kGreen, kWhite, kRed, kBlue}}};
  for (const auto& [width, height] : {std::pair{64, 32}, {48, 48}}) {
    const std::string file = test::jpeg(quadrants(width, height), width, height, 3);
    for (int orientation = 1; orientation <= 8; ++orientation) {
      SCOPED_TRACE(orientation);
      const auto photo = read(test::withOrientation(file, orientation));
      ASSERT_TRUE(photo.has_value()) << api::message(photo.error());
      const api::Image& image = photo->image;
      EXPECT_EQ(image.width, orientation >= 5 ? height : width);
      EXPECT_EQ(image.height, orientation >= 5 ? width : height);
      const auto& expected = corners[static_cast<std::size_t>(orientation - 1)];
      expectNear(at(image, 4, 4), expected[0], 6);
      expectNear(at(image, image.width - 5, 4), expected[1], 6);
      expectNear(at(image, 4, image.height - 5), expected[2], 6);
      expectNear(at(image, image.width - 5, image.height - 5), expected[3], 6);
    }
  }
}

TEST_F(Photo, turnsPngAndWebpToo) {
  const auto pixels = quadrants(64, 32);
  for (const std::string& file : {test::png(pixels, 64, 32, 3, {.orientation = 6}),
                                  test::withWebpOrientation(test::webp(pixels, 64, 32, 3), 6)}) {
    const auto photo = read(file);
    ASSERT_TRUE(photo.has_value()) << api::message(photo.error());
    EXPECT_EQ(photo->image.width, 32);
    EXPECT_EQ(at(photo->image, 4, 4), kBlue);
    EXPECT_EQ(at(photo->image, 28, 4), kRed);
    EXPECT_EQ(at(photo->image, 4, 60), kWhite);
  }
}

TEST_F(Photo, ignoresNonsenseInExif) {
  const std::string file = test::jpeg(quadrants(32, 32), 32, 32, 3);
  for (const int orientation : {0, 9, 200}) {
    const auto photo = read(test::withOrientation(file, orientation));
    ASSERT_TRUE(photo.has_value());
    expectNear(at(photo->image, 4, 4), kRed, 6);
  }
}

TEST_F(Photo, readsGreyJpeg) {
  const auto photo = read(test::jpeg(test::Pixels(16 * 16, 77), 16, 16, 1));
  ASSERT_TRUE(photo.has_value());
  expectNear(at(photo->image, 8, 8), {77, 77, 77}, 1);
}

TEST_F(Photo, readsCmykAsAdobeWritesIt) {
  // No cyan, no magenta... 255 means no ink; the right half has full cyan.
  const auto pixels = test::paint(32, 16, 4, [](int x, int, int c) {
    return static_cast<std::uint8_t>(c == 0 && x >= 16 ? 0 : 255);
  });
  const auto photo = read(test::jpeg(pixels, 32, 16, 4));
  ASSERT_TRUE(photo.has_value()) << api::message(photo.error());
  expectNear(at(photo->image, 4, 8), kWhite, 3);
  expectNear(at(photo->image, 28, 8), {0, 255, 255}, 3);
}

TEST_F(Photo, convertsItsProfileToSrgb) {
  // By hand: Adobe RGB -> linear -> XYZ (D65) -> linear sRGB -> sRGB.
  const Colour adobe{120, 180, 90};
  const double toXyz[3][3] = {
      {0.57667, 0.18556, 0.18823}, {0.29734, 0.62736, 0.07529}, {0.02703, 0.07069, 0.99134}};
  const double toSrgb[3][3] = {
      {3.24097, -1.53738, -0.49861}, {-0.96924, 1.87597, 0.04156}, {0.05563, -0.20398, 1.05697}};
  double linear[3], xyz[3];
  for (int i = 0; i < 3; ++i) linear[i] = std::pow(adobe[i] / 255.0, 563.0 / 256);
  for (int i = 0; i < 3; ++i)
    xyz[i] = toXyz[i][0] * linear[0] + toXyz[i][1] * linear[1] + toXyz[i][2] * linear[2];
  Colour expected{};
  for (int i = 0; i < 3; ++i) {
    const double v = toSrgb[i][0] * xyz[0] + toSrgb[i][1] * xyz[1] + toSrgb[i][2] * xyz[2];
    const double s = v <= 0.0031308 ? 12.92 * v : 1.055 * std::pow(v, 1 / 2.4) - 0.055;
    expected[i] = static_cast<int>(std::lround(255 * std::clamp(s, 0.0, 1.0)));
  }
  const auto pixels =
      test::paint(16, 16, 3, [&](int, int, int c) { return static_cast<std::uint8_t>(adobe[c]); });
  const auto profile = test::adobeRgbProfile();
  const auto asPng = read(test::png(pixels, 16, 16, 3, {.icc = profile}));
  ASSERT_TRUE(asPng.has_value());
  expectNear(at(asPng->image, 8, 8), expected, 2);
  const auto asJpeg = read(test::jpeg(pixels, 16, 16, 3, profile));
  ASSERT_TRUE(asJpeg.has_value());
  expectNear(at(asJpeg->image, 8, 8), expected, 3);
  EXPECT_GT(std::abs(adobe[0] - expected[0]), 10) << "the profile must matter in this test";
}

TEST_F(Photo, readsPaletteWithTransparency) {
  const auto photo = read(
      test::png(test::paint(4, 1, 1, [](int x, int, int) { return static_cast<std::uint8_t>(x); }),
                4,
                1,
                1,
                {.palette = true, .icc = {}}));
  ASSERT_TRUE(photo.has_value());
  EXPECT_FALSE(photo->alpha.empty());
  EXPECT_EQ(at(photo->image, 0, 0), kRed);
  EXPECT_EQ(at(photo->image, 2, 0), kBlue);
  EXPECT_EQ(at(photo->image, 3, 0), kWhite);
}

TEST_F(Photo, readsSixteenBits) {
  const auto pixels = test::paint(4, 4, 6, [](int, int, int c) {
    return static_cast<std::uint8_t>(c % 2 ? 0x80 : 0x40 + 0x20 * (c / 2));
  });
  const auto photo = read(test::png(pixels, 4, 4, 3, {.bitDepth = 16, .icc = {}}));
  ASSERT_TRUE(photo.has_value());
  expectNear(at(photo->image, 1, 1), {0x40, 0x60, 0x80}, 1);
}

TEST_F(Photo, compositesAlphaOnWhite) {
  const auto pixels = test::paint(8, 8, 4, [](int x, int, int c) {
    return static_cast<std::uint8_t>(c == 3 ? (x < 4 ? 0 : 128) : c == 0 ? 255 : 0);
  });
  for (const std::string& file : {test::png(pixels, 8, 8, 4), test::webp(pixels, 8, 8, 4)}) {
    const auto photo = read(file);
    ASSERT_TRUE(photo.has_value());
    EXPECT_FALSE(photo->alpha.empty());
    EXPECT_EQ(at(photo->image, 0, 0), kWhite);
    expectNear(at(photo->image, 7, 0), {255, 127, 127}, 1);
  }
}

TEST_F(Photo, readsWebpExactly) {
  const auto photo = read(test::webp(quadrants(32, 24), 32, 24, 3));
  ASSERT_TRUE(photo.has_value());
  EXPECT_EQ(*photo->image.bytes, quadrants(32, 24));
}

TEST_F(Photo, takesTheFirstFrameOfAnAnimation) {
  const auto frame = [](std::uint8_t red) {
    return test::paint(16, 16, 4, [=](int, int, int c) {
      return static_cast<std::uint8_t>(c == 0 ? red : c == 3 ? 255 : 10);
    });
  };
  const auto photo = read(test::animatedWebp({frame(200), frame(20)}, 16, 16));
  ASSERT_TRUE(photo.has_value()) << api::message(photo.error());
  EXPECT_TRUE(photo->animated);
  expectNear(at(photo->image, 3, 3), {200, 10, 10}, 1);
}

TEST_F(Photo, tellsAnAnimatedPng) {
  EXPECT_TRUE(read(test::png(quadrants(8, 8), 8, 8, 3, {.animated = true}))->animated);
  EXPECT_FALSE(read(test::png(quadrants(8, 8), 8, 8, 3))->animated);
}

TEST_F(Photo, readsTheSameOnManyThreads) {
  const std::string file =
      test::withOrientation(test::jpeg(quadrants(64, 32), 64, 32, 3, test::adobeRgbProfile()), 8);
  const fs::path path = support::put(m_folder / "shared.jpg", file);
  const auto alone = readPhoto(path);
  ASSERT_TRUE(alone.has_value());
  std::vector<int> same(4);
  {
    std::vector<std::jthread> threads;
    for (int& count : same)
      threads.emplace_back([&] {
        for (int i = 0; i < 20; ++i) count += readPhoto(path)->image == alone->image;
      });
  }
  EXPECT_EQ(same, std::vector<int>(4, 20));
}

TEST_F(Photo, readsProgressiveJpegOfAsManyScansAsCamerasWrite) {
  const auto grey = test::paint(
      32, 32, 1, [](int x, int y, int) { return static_cast<std::uint8_t>(4 * (x + y)); });
  EXPECT_TRUE(read(test::progressiveJpeg(grey, 32, 32, false)).has_value());
  expectError(test::progressiveJpeg(grey, 32, 32, true), ErrorCode::DamagedImage);
}

TEST_F(Photo, refusesEveryTruncation) {
  const auto noise = test::paint(96, 96, 3, [](int x, int y, int c) {
    return static_cast<std::uint8_t>((x * 7 + y * 13 + c * 31) ^ (x * y));
  });
  for (const std::string& file :
       {test::jpeg(noise, 96, 96, 3),
        test::progressiveJpeg(test::Pixels(noise.begin(), noise.begin() + 96 * 96), 96, 96, false),
        test::png(noise, 96, 96, 3),
        test::webp(noise, 96, 96, 3),
        support::content(fs::path(LIKENESS_SOURCE_DIR) / "resources/samples/duck_toy/02.jpg")}) {
    ASSERT_TRUE(read(file).has_value());
    for (std::size_t part = 1; part < 64; ++part) {
      const auto photo = read(file.substr(0, file.size() * part / 64));
      ASSERT_FALSE(photo.has_value()) << "cut at " << part << "/64";
      EXPECT_TRUE(photo.error().code == ErrorCode::DamagedImage ||
                  photo.error().code == ErrorCode::NotAnImage);
    }
  }
}

TEST_F(Photo, refusesSizesBeforeAllocating) {
  expectError(test::png(test::Pixels(30'000, 9), 30'000, 1, 1), ErrorCode::ImageTooLarge);
  std::string bomb = test::png(test::Pixels(8 * 8, 9), 8, 8, 1);
  bomb[16] = bomb[20] = 0x01;  // width and height 16,777,224: a lie with a wrong checksum too
  const auto photo = read(bomb);
  EXPECT_FALSE(photo.has_value());

  std::string lie = test::jpeg(test::Pixels(8 * 8, 9), 8, 8, 1);
  lie.replace(lie.find("\xFF\xC0") + 5, 4, "\xEA\x60\xEA\x60");  // 60,000 x 60,000
  expectError(lie, ErrorCode::ImageTooLarge);
  expectError(test::webp(test::Pixels(10'100 * 10'000 * 3), 10'100, 10'000, 3),
              ErrorCode::ImageTooLarge);
}

TEST_F(Photo, refusesWhatIsNoPicture) {
  expectError("", ErrorCode::NotAnImage);
  EXPECT_NE(api::message(read("").error()).find("it is empty"), std::string::npos);
  expectError("Dear diary, today", ErrorCode::NotAnImage);
  expectError("BM}", ErrorCode::NotAnImage);
  expectError("GIF89a", ErrorCode::UnsupportedImage);
  expectError(std::string("II*\0\x08\0\0\0", 8), ErrorCode::UnsupportedImage);
  expectError("\xFF\xD8\xFF", ErrorCode::DamagedImage);
  expectError(std::string("RIFF\x10\0\0\0WEBPVP8 ", 16), ErrorCode::DamagedImage);
  const auto folder = readPhoto(m_folder.path());
  ASSERT_FALSE(folder.has_value());
  EXPECT_EQ(folder.error().code, ErrorCode::NotAnImage);
  const fs::path pipe = m_folder / "pipe.jpg";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(readPhoto(pipe).error().code, ErrorCode::NotAnImage);
  const auto missing = readPhoto(m_folder / "nobody.jpg");
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, ErrorCode::FileNotFound);
}

#ifdef LIKENESS_HAVE_HEIF
TEST_F(Photo, readsHeic) {
  heif_context* context = heif_context_alloc();
  heif_encoder* encoder = nullptr;
  ASSERT_EQ(heif_context_get_encoder_for_format(context, heif_compression_HEVC, &encoder).code, 0);
  heif_encoder_set_lossless(encoder, 1);
  heif_image* image = nullptr;
  heif_image_create(64, 64, heif_colorspace_RGB, heif_chroma_interleaved_RGB, &image);
  heif_image_add_plane(image, heif_channel_interleaved, 64, 64, 8);
  int stride = 0;
  std::uint8_t* plane = heif_image_get_plane(image, heif_channel_interleaved, &stride);
  const auto pixels = quadrants(64, 64);
  for (int y = 0; y < 64; ++y) std::copy_n(pixels.data() + y * 192, 192, plane + y * stride);
  heif_context_encode_image(context, image, encoder, nullptr, nullptr);
  const fs::path file = m_folder / "photo.heic";
  ASSERT_EQ(heif_context_write_to_file(context, file.c_str()).code, 0);
  heif_image_release(image);
  heif_encoder_release(encoder);
  heif_context_free(context);

  const auto photo = readPhoto(file);
  ASSERT_TRUE(photo.has_value()) << api::message(photo.error());
  EXPECT_EQ(photo->image.width, 64);
  expectNear(at(photo->image, 8, 8), kRed, 12);
  expectNear(at(photo->image, 56, 56), kWhite, 12);

  const std::string whole = support::content(file);
  for (std::size_t part = 1; part < 64; ++part)
    EXPECT_FALSE(read(whole.substr(0, whole.size() * part / 64)).has_value()) << part << "/64";
}
#endif

}  // namespace
}  // namespace likeness::image
