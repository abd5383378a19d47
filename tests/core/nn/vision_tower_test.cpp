// Networks that judge pictures, beside transformers' and from the folders that people have.
#include "core/nn/vision_tower.h"

#include <gmock/gmock.h>

#include <fstream>

#include "tests/core/nn/tiny.h"
#include "tests/support/expect_within.h"
#include "tests/support/vision_folder.h"

namespace likeness::nn::test {
namespace {

namespace fs = std::filesystem;

class VisionTowerTest : public testing::Test {
 protected:
  /// A folder as Hugging Face has it, of the golden `kind`, clip or vit.
  fs::path write(const std::string& kind) {
    return support::writeVisionModel(kind, m_folder / kind);
  }
  VisionTower mustOpen(const fs::path& folder) {
    auto tower = VisionTower::open(folder, at::kCPU);
    EXPECT_TRUE(tower) << api::message(tower.error());
    return std::move(*tower);
  }
  double error(const at::Tensor& found, const char* golden) {
    const at::Tensor& wanted = m_golden.at(std::string("output/") + golden);
    return (found.to(at::kDouble).sub(wanted).norm() / wanted.norm()).item<double>();
  }

  support::TempFolder m_folder;
  const tensor::StateDict m_golden = mustRead(support::kGoldenVision);
};

TEST_F(VisionTowerTest, SeesAndReadsAsTransformersDoes) {
  const at::Tensor& pixels = m_golden.at("input/pixels");
  const VisionTower clip = mustOpen(write("clip")), dino = mustOpen(write("vit"));
  EXPECT_TRUE(clip.isClip());
  EXPECT_FALSE(dino.isClip());
  support::expectWithin("clip_pictures", error(clip.forward(pixels), "clip_image"), 1e-5);
  support::expectWithin("dino_pictures", error(dino.forward(pixels), "vit"), 1e-5);
  const at::Tensor words = m_golden.at("output/clip_text");
  const at::Tensor found = clip.embed(support::visionMeta("prompt"));
  support::expectWithin("clip_prompts", (found - words / words.norm()).norm().item<double>(), 1e-5);
  EXPECT_FALSE(dino.embed("a dog").defined());
}

TEST_F(VisionTowerTest, PicturesArePointsOnTheUnitSphere) {
  for (const char* kind : {"clip", "vit"}) {
    const VisionTower tower = mustOpen(write(kind));
    std::vector<std::uint8_t> flat(48 * 40 * 3, 128), stripes(48 * 40 * 3);
    for (std::size_t i = 0; i < stripes.size(); ++i)
      stripes[i] = static_cast<std::uint8_t>(i / 24 % 5 * 50);
    const auto picture = [](std::vector<std::uint8_t> bytes) {
      return api::Image{48,
                        40,
                        api::PixelFormat::Rgb8,
                        std::make_shared<const std::vector<std::uint8_t>>(std::move(bytes))};
    };
    const api::Image grey = picture(flat), striped = picture(stripes);
    const at::Tensor a = tower.embed(grey), b = tower.embed(striped);
    EXPECT_NEAR((a * a).sum().item<double>(), 1, 1e-6);
    EXPECT_NEAR((a * tower.embed(grey)).sum().item<double>(), 1, 1e-6);
    EXPECT_LT((a * b).sum().item<double>(), 0.999) << kind;
  }
}

TEST_F(VisionTowerTest, OtherModelsAreNamed) {
  const auto refused = [&](const fs::path& folder) {
    const auto tower = VisionTower::open(folder, at::kCPU);
    return tower ? std::string("opened") : api::message(tower.error());
  };
  EXPECT_THAT(refused(m_folder / "none"), testing::HasSubstr("none"));
  const fs::path other = write("clip");
  std::ofstream(other / "config.json") << R"({"model_type": "dinov2"})";
  EXPECT_THAT(refused(other), testing::HasSubstr("\"dinov2\""));
  std::ofstream(other / "config.json") << R"({"model_type": "clip", "text_config": 3})";
  EXPECT_THAT(refused(other), testing::HasSubstr("\"text_config\" must be an object"));
  fs::copy_file(
      write("vit") / "config.json", other / "config.json", fs::copy_options::overwrite_existing);
  EXPECT_THAT(refused(other), testing::HasSubstr("model.safetensors"));
}

}  // namespace
}  // namespace likeness::nn::test
