// A window whose project has a run of two checkpoints, on the Compare page, and an engine that
// draws its cells.
#pragma once

#include <QCheckBox>
#include <QComboBox>
#include <QTableView>

#include "core/api/comparison.h"
#include "tests/ui/fixture.h"
#include "ui/util/convert.h"

namespace likeness::support {

class CompareFixture : public WindowFixture {
 public:
  /// A project with one run of checkpoints 20 and 40, opened on the Compare page.
  void begin(bool lora = false, int planned = 40) {
    makeProject(1);
    makeRun("0001", 20, planned, lora);
    makeRun("0001", 40, planned, lora);
    restart();
    window->openProject(path("bo.likeness"));
    if (!waitFor([&] { return window->training().runs().size() == 1; }))
      qFatal("the run was not found");
    window->showPage(ui::Page::Compare);
  }
  QTableView* sheet() const { return find<QTableView>("compareSheet"); }
  ui::CompareModel& model() const { return window->comparison(); }
  ui::CellState state(int row, int column) const {
    return static_cast<ui::CellState>(
        model().index(row, column).data(ui::CompareModel::StateRole).toInt());
  }
  void choose(const char* box, api::Axis axis) const {
    auto* combo = find<QComboBox>(box);
    combo->setCurrentIndex(combo->findData(static_cast<int>(axis)));
  }
  void compare(bool rough = false) const {
    find<QCheckBox>("compareRough")->setChecked(rough);
    const api::JobId before = engine->lastJob();
    click("compareStart");
    if (!waitFor([&] { return engine->lastJob() > before; })) qFatal("no job was submitted");
  }
  const api::GenerateRequest& asked() const { return *engine->lastRequest<api::GenerateRequest>(); }
  /// The engine draws the cell under way.
  void draw(int shade = 0) const {
    const api::JobId job = engine->lastJob();
    engine->emit(job, api::JobStarted{});
    engine->emit(job, api::StageChanged{api::Stage::Generate});
    for (std::int64_t i = 0; i < asked().count; ++i)
      engine->emit(
          job,
          api::PictureReady{api::PictureKind::Result,
                            testImage(64, 64, shade),
                            asked().outFolder.empty() ? std::filesystem::path() : picture(shade),
                            0,
                            i,
                            asked().count,
                            asked().prompt,
                            asked().seed + i});
    engine->emit(job, api::JobFinished{api::Completed{}});
    settle();
  }
  std::filesystem::path picture(int shade) const {
    return ui::toPath(makePhoto(QStringLiteral("made%1.png").arg(shade), shade, {64, 64}));
  }
  void fail(const api::Error& error) const {
    engine->emit(engine->lastJob(), api::JobFinished{api::Failed{error}});
    settle();
  }
  void drawAll() const {
    for (int i = 0; model().running(); ++i) draw(i);
  }
  /// One picture of the cell under way.
  void show(api::PictureKind kind, const api::Image& image) const {
    engine->emit(engine->lastJob(), api::PictureReady{kind, image, {}, 0, 0, 1, {}, 1});
    settle();
  }
  void cancelled() const {
    engine->emit(engine->lastJob(), api::JobFinished{api::Cancelled{}});
    settle();
  }
  /// Where the keyboard is.
  void press(Qt::Key key, Qt::KeyboardModifiers modifiers = {}) const {
    QTest::keyClick(window->focusWidget(), key, modifiers);
  }
};

}  // namespace likeness::support
