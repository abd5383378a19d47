// Projects: made, opened, saved, locked, filled, whatever is wrong with the disk.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/workspace/photo_folder.h"
#include "core/workspace/workspace.h"
#include "tests/core/workspace/run_fixture.h"
#include "tests/support/faulty_files.h"

namespace likeness::workspace {
namespace {

namespace fs = std::filesystem;
using api::ErrorCode;
using support::content;
using support::put;
using support::TempFolder;
using testing::ElementsAre;

class Projects : public testing::Test {
 protected:
  TempFolder m_folder;
  std::unique_ptr<api::Workspace> m_workspace = makeWorkspace("resources");

  api::Project make() {
    auto project = m_workspace->createProject(m_folder / "dog.likeness");
    EXPECT_TRUE(project);
    return *project;
  }
};

TEST_F(Projects, BeginWithTheStartersRecipe) {
  const auto project = m_workspace->createProject(m_folder / "my dog");
  ASSERT_TRUE(project);
  EXPECT_EQ(project->folder, m_folder / "my dog.likeness");
  EXPECT_TRUE(fs::is_directory(project->folder / "photos"));
  EXPECT_EQ(project->recipe.training.resolution, 128);
  EXPECT_EQ(m_workspace->openProject(project->folder).value(), *project);
  EXPECT_EQ(m_workspace->openProject(project->folder / "project.yaml").value(), *project);
  EXPECT_EQ(m_workspace->openProject(project->folder / "").value(), *project);
  EXPECT_EQ(m_workspace->createProject(project->folder).error().code, ErrorCode::BadProject);
}

TEST_F(Projects, SavedPathsTravelWithTheFolder) {
  api::Project project = make();
  put(m_folder / "in.jpg", "picture");
  const auto photo = m_workspace->importPhoto(project, m_folder / "in.jpg");
  ASSERT_TRUE(photo);
  EXPECT_EQ(*photo, project.folder / "photos/in.jpg");
  project.recipe.photos = {{*photo,
                            "a {subject}",
                            api::CropRect{0, 0, 0.5, 0.5},
                            true,
                            project.folder / "photos/m.png"}};
  project.recipe.prior.folder = project.folder / "dogs";
  project.recipe.subject.classWord = "dog";
  api::FurtherSubject& further = project.recipe.furtherSubjects.emplace_back();
  further.photos = {
      {project.folder / "photos/cat.jpg", {}, {}, false, project.folder / "photos/cat-mask.png"}};
  further.classFolder = project.folder / "cats";
  project.recipe.runFolder = "somewhere";
  ASSERT_TRUE(m_workspace->saveProject(project));
  EXPECT_THAT(content(project.folder / "project.yaml"),
              testing::HasSubstr("file: photos/in.jpg\n"));
  EXPECT_THAT(content(project.folder / "project.yaml"),
              testing::Not(testing::HasSubstr(m_folder.path().string())));
  fs::rename(project.folder, m_folder / "moved.likeness");
  const auto moved = m_workspace->openProject(m_folder / "moved.likeness");
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved->recipe.photos[0].file, m_folder / "moved.likeness/photos/in.jpg");
  EXPECT_EQ(moved->recipe.photos[0].mask, m_folder / "moved.likeness/photos/m.png");
  EXPECT_EQ(moved->recipe.prior.folder, m_folder / "moved.likeness/dogs");
  const api::FurtherSubject& cat = moved->recipe.furtherSubjects.at(0);
  EXPECT_EQ(cat.photos[0].file, m_folder / "moved.likeness/photos/cat.jpg");
  EXPECT_EQ(cat.photos[0].mask, m_folder / "moved.likeness/photos/cat-mask.png");
  EXPECT_EQ(cat.classFolder, m_folder / "moved.likeness/cats");
  EXPECT_TRUE(moved->recipe.runFolder.empty());
}

TEST_F(Projects, WhatIsNoneIsNamed) {
  EXPECT_EQ(m_workspace->openProject(m_folder / "none").error().code, ErrorCode::FileNotFound);
  EXPECT_EQ(m_workspace->openProject(m_folder.path()).error().code, ErrorCode::BadProject);
  put(m_folder / "file", "");
  EXPECT_EQ(m_workspace->openProject(m_folder / "file").error().code, ErrorCode::BadProject);
  put(m_folder / "p/project.yaml", "schemaVersion: 99\n");
  EXPECT_EQ(m_workspace->openProject(m_folder / "p").error().code, ErrorCode::NewerSchema);
  put(m_folder / "p/project.yaml", "trainig: {}\n");
  const auto mistyped = m_workspace->openProject(m_folder / "p");
  EXPECT_EQ(mistyped.error().code, ErrorCode::UnknownKey);
  EXPECT_EQ(mistyped.error().value("file"), (m_folder / "p/project.yaml").string());
}

TEST_F(Projects, AFailedSaveKeepsTheFormerState) {
  api::Project project = make();
  const std::string before = content(project.folder / "project.yaml");
  project.recipe.subject.classWord = "cat";
  for (int failAt = 0; failAt < 5; ++failAt) {
    {
      const support::FaultyFiles files(failAt, ENOSPC);
      EXPECT_EQ(m_workspace->saveProject(project).error().code, ErrorCode::DiskFull) << failAt;
    }
    EXPECT_EQ(content(project.folder / "project.yaml"), before);
  }
}

TEST_F(Projects, ReadOnlyOnesOpenAndSayWhyTheyCannotBeSaved) {
  const api::Project project = make();
  put(m_folder / "in.jpg", "picture");
  const support::FaultyFiles files(0, EROFS, true);
  EXPECT_TRUE(m_workspace->openProject(project.folder));
  const auto saved = m_workspace->saveProject(project);
  EXPECT_EQ(saved.error().code, ErrorCode::FileUnwritable);
  EXPECT_THAT(api::message(saved.error()), testing::HasSubstr("Read-only file system"));
  const auto locked = m_workspace->lockProject(project.folder);
  EXPECT_EQ(locked.error().code, ErrorCode::FileUnwritable);
  EXPECT_EQ(locked.error().value("file"), project.folder.string());
  EXPECT_EQ(m_workspace->importPhoto(project, m_folder / "in.jpg").error().code,
            ErrorCode::FileUnwritable);
  EXPECT_EQ(m_workspace->nextRunFolder(project).error().code, ErrorCode::FileUnwritable);
  EXPECT_FALSE(m_workspace->createProject(m_folder / "new"));
}

TEST_F(Projects, BelongToOneProgramAtATime) {
  const api::Project project = make();
  auto lock = m_workspace->lockProject(project.folder);
  ASSERT_TRUE(lock);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto second = m_workspace->lockProject(project.folder);
    ::_exit(!second && second.error().code == ErrorCode::ProjectInUse &&
                    second.error().value("folder") == project.folder.string()
                ? 0
                : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  lock->reset();
  EXPECT_TRUE(m_workspace->lockProject(project.folder));
}

TEST_F(Projects, ImportNeverOverwrites) {
  const api::Project project = make();
  put(m_folder / "a/p.jpg", "one");
  put(m_folder / "b/p.jpg", "two");
  EXPECT_EQ(m_workspace->importPhoto(project, m_folder / "a/p.jpg")->filename(), "p.jpg");
  EXPECT_EQ(m_workspace->importPhoto(project, m_folder / "b/p.jpg")->filename(), "p-2.jpg");
  EXPECT_EQ(m_workspace->importPhoto(project, m_folder / "b/p.jpg")->filename(), "p-3.jpg");
  EXPECT_EQ(m_workspace->importPhoto(project, project.folder / "photos/p.jpg").value(),
            project.folder / "photos/p.jpg");
  EXPECT_EQ(content(project.folder / "photos/p.jpg"), "one");
  EXPECT_EQ(content(project.folder / "photos/p-2.jpg"), "two");
  EXPECT_EQ(m_workspace->importPhoto(project, m_folder / "none.jpg").error().code,
            ErrorCode::FileNotFound);
  EXPECT_EQ(m_workspace->importPhoto(project, m_folder / "a").error().code,
            ErrorCode::FileUnreadable);
  fs::resize_file(m_folder / "a/p.jpg", 300u << 20);
  EXPECT_EQ(m_workspace->importPhoto(project, m_folder / "a/p.jpg").error().code,
            ErrorCode::ImageTooLarge);
}

TEST_F(Projects, DropsAreSearchedOneLevelDeep) {
  for (const char* name :
       {"d/b.JPG", "d/a.png", "d/notes.txt", "d/.hidden.jpg", "d/deep/c.jpg", "x.txt", "y.heic"})
    put(m_folder / name, "");
  const auto drop = m_workspace->expandDrop({m_folder / "x.txt",
                                             m_folder / "d",
                                             m_folder / "y.heic",
                                             m_folder / "d/a.png",
                                             m_folder / "none.jpg"});
  std::vector<fs::path> files;
  for (const auto& photo : drop.photos) files.push_back(photo.file);
  EXPECT_THAT(files,
              ElementsAre(m_folder / "x.txt",
                          m_folder / "d/a.png",
                          m_folder / "d/b.JPG",
                          m_folder / "y.heic",
                          m_folder / "none.jpg"));
  EXPECT_EQ(drop.note, "");
  EXPECT_TRUE(m_workspace->expandDrop({m_folder / "none/"}).photos.size() <= 1);
}

TEST_F(Projects, FoldersOfOtherTrainersAreUnderstood) {
  for (const char* name : {"img/10_sks dog/a.png",
                           "img/10_sks dog/a.txt",
                           "img/10_sks dog/a.caption",
                           "img/10_sks dog/b.jpg",
                           "img/10_sks dog/b-masklabel.png",
                           "img/10_sks dog/b-condlabel.png",
                           "img/2_ohwx small cat/c.jpg",
                           "img/2_ohwx small cat/d.jpg",
                           "img/2_ohwx small cat/d.caption",
                           "img/log/e.jpg",
                           "img/3_x/deep/f.jpg",
                           "2024_summer/g.jpg"})
    put(m_folder / name, "");
  const auto drop = m_workspace->expandDrop({m_folder / "img"});
  EXPECT_EQ(
      drop.photos,
      (std::vector<api::Photo>{
          {m_folder / "img/10_sks dog/a.png", "", {}, false, {}, 10},
          {m_folder / "img/10_sks dog/b.jpg", "", {}, false, {}, 10},
          {m_folder / "img/2_ohwx small cat/c.jpg", "a photo of ohwx small cat", {}, false, {}, 2},
          {m_folder / "img/2_ohwx small cat/d.jpg", "", {}, false, {}, 2}}));
  EXPECT_EQ(drop.token, "sks");
  EXPECT_EQ(drop.classWord, "dog");
  EXPECT_EQ(drop.note,
            "Found 2 folders with repeats in the name (sks is the identifier, dog the class), "
            "captions beside 2 photos (.txt is read, .caption of the same name is not), masks "
            "beside 1 photo.");
  const auto one = m_workspace->expandDrop({m_folder / "img/2_ohwx small cat/"});
  ASSERT_EQ(one.photos.size(), 2u);
  EXPECT_EQ(one.photos[0].repeats, 2);
  EXPECT_EQ(one.classWord, "small cat");
  EXPECT_EQ(m_workspace->expandDrop({m_folder / "2024_summer"}).photos.at(0).repeats, 1)
      << "a year";
}

TEST_F(Projects, CaptionsAreReadWhateverWroteThem) {
  const fs::path photo = m_folder / "p.jpg";
  const auto read = [&] { return readCaptions(besidePhoto(photo)); };
  EXPECT_TRUE(read()->empty());
  put(m_folder / "p.caption", "\xEF\xBB\xBF  one \r\n\r\n#two\rfür élise");
  EXPECT_THAT(read().value(), ElementsAre("one", "#two", "für élise"));
  put(m_folder / "p.txt", "");
  EXPECT_TRUE(read()->empty()) << ".txt wins";
  put(m_folder / "p.txt", "latin \xE9");
  EXPECT_EQ(read().error().code, ErrorCode::FileUnreadable);
  put(m_folder / "p.txt", std::string((1 << 20) + 1, 'x'));
  EXPECT_EQ(read().error().code, ErrorCode::FileUnreadable);
}

TEST_F(Projects, WhatLiesBesideAPhotoComesAlong) {
  const api::Project project = make();
  for (const char* name : {"a/p.jpg", "b/p.png", "b/p.txt", "b/p-masklabel.png"})
    put(m_folder / name, name);
  EXPECT_EQ(m_workspace->importPhoto(project, m_folder / "a/p.jpg")->filename(), "p.jpg");
  EXPECT_EQ(m_workspace->importPhoto(project, m_folder / "b/p.png")->filename(), "p-2.png")
      << "or the caption would belong to both";
  EXPECT_EQ(content(project.folder / "photos/p-2.txt"), "b/p.txt");
  EXPECT_EQ(content(project.folder / "photos/p-2-masklabel.png"), "b/p-masklabel.png");
}

TEST_F(Projects, RunsAreListedWithWhatTheyReached) {
  const api::Project project = make();
  EXPECT_TRUE(m_workspace->runs(project).empty());
  EXPECT_EQ(m_workspace->nextRunFolder(project).value(), project.folder / "runs/0001");
  makeRun(recipe(project.folder / "runs/0001"), {});
  writeCheckpoint(project.folder / "runs/0001", 160, {kUnetFile}, 0.1);
  writeCheckpoint(project.folder / "runs/0001", 240, {kUnetFile}, 0.3);
  writeCheckpoint(project.folder / "runs/0001", 320, {kUnetFile}, 0.2, true);
  makeRun(recipe(project.folder / "runs/0007", api::Method::Lora), {});
  put(project.folder / "runs/0009/run.yaml", "broken: [");
  put(project.folder / "runs/notes.txt", "");
  put(project.folder / "runs/0001/metrics.csv", "step,subject_loss\n1,0.5\n");

  const auto runs = m_workspace->runs(project);
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_EQ(runs[0].name, "0001");
  EXPECT_EQ(runs[0].steps, 320);
  EXPECT_THAT(runs[0].checkpoints, ElementsAre(160, 240, 320));
  EXPECT_TRUE(runs[0].finished);
  EXPECT_EQ(runs[0].best, 160);
  EXPECT_FALSE(runs[1].finished);
  EXPECT_FALSE(runs[1].best);
  EXPECT_EQ(m_workspace->nextRunFolder(project).value(), project.folder / "runs/0010");
  EXPECT_EQ(m_workspace->runMetrics(runs[0].folder).size(), 1u);
}

TEST_F(Projects, YamlRoundTripsThroughTheWorkspace) {
  const api::Project project = make();
  const auto read = m_workspace->fromYaml(m_workspace->toYaml(project.recipe), {}, "project.yaml");
  EXPECT_EQ(read.value(), project.recipe);
  EXPECT_EQ(m_workspace->fromYaml("x: 1", {}, "a.yaml").error().code, ErrorCode::UnknownKey);
}

TEST_F(Projects, LeftoversOfACrashAreSweptOnOpening) {
  const api::Project project = make();
  const pid_t dead = ::fork();
  if (dead == 0) ::_exit(0);
  ::waitpid(dead, nullptr, 0);
  const fs::path stray = project.folder / (".project.yaml.likeness-tmp-" + std::to_string(dead));
  put(stray, "half");
  ASSERT_TRUE(m_workspace->openProject(project.folder));
  EXPECT_FALSE(fs::exists(stray));
}

}  // namespace
}  // namespace likeness::workspace
