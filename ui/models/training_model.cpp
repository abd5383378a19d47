#include "ui/models/training_model.h"

#include <QFile>
#include <algorithm>
#include <limits>

#include "ui/models/stored_pictures.h"
#include "ui/util/background.h"
#include "ui/util/convert.h"
#include "ui/util/write_file.h"

namespace likeness::ui {
namespace {

constexpr int kPlanDelay = 250;  // ms

}  // namespace

TrainingModel::TrainingModel(ProjectModel& project, EngineBridge& bridge, QObject* parent)
    : QObject(parent), m_project(project), m_job(bridge) {
  connect(&m_job, &Job::metrics, this, [this](const api::MetricBatch& batch) {
    addSamples(batch.samples);
  });
  connect(&m_job, &Job::picture, this, &TrainingModel::addPicture);
  connect(&m_job, &Job::checkpoint, this, [this](const api::CheckpointSaved& saved) {
    Q_EMIT checkpointSaved(saved.step);
    if (m_stopAt == StopAt::NextCheckpoint) stop();
  });
  connect(&m_job, &Job::advice, this, &TrainingModel::advised);
  connect(&m_job, &Job::warning, this, &TrainingModel::warned);
  connect(&m_job, &Job::ended, this, [this] {
    setStopAt({});
    refreshRuns(false);
  });
  connect(&m_project, &ProjectModel::opened, this, [this] {
    m_runs.clear();
    resetCurves();
    Q_EMIT runsChanged();
    Q_EMIT problemsChanged();
    refreshRuns(true);
  });
  connect(&m_project, &ProjectModel::recipeChanged, this, &TrainingModel::problemsChanged);
  // Not at every key; and again after a run, which leaves pictures and its speed.
  m_planTimer.setSingleShot(true);
  m_planTimer.setInterval(kPlanDelay);
  connect(&m_planTimer, &QTimer::timeout, this, &TrainingModel::makePlan);
  const auto later = [this] { m_planTimer.start(); };
  connect(&m_project, &ProjectModel::opened, this, later);
  connect(&m_project, &ProjectModel::recipeChanged, this, later);
  connect(&m_job, &Job::ended, this, later);
}

const TrainingModel::Curve& TrainingModel::curve(api::Series series) const {
  static const Curve none;
  const auto found = m_curves.constFind(static_cast<int>(series));
  return found == m_curves.constEnd() ? none : *found;
}

std::vector<api::FieldError> TrainingModel::problems() const {
  if (!m_project.isOpen()) return {};
  return api::validate(request());
}

api::TrainRequest TrainingModel::request() const {
  api::TrainRequest request = m_project.recipe();
  const std::filesystem::path& folder = m_project.project().folder;
  request.runFolder = folder / "runs";
  request.classImageFolder = folder / "class-images";
  request.cacheFolder = folder / "cache";
  request.resume = false;
  return request;
}

void TrainingModel::makePlan() {
  const int number = ++m_planNumber;
  const auto show = [this, number](const std::optional<api::TrainingPlan>& plan) {
    if (number != m_planNumber) return;
    m_plan = plan;
    Q_EMIT planChanged();
  };
  if (!m_project.isOpen() || !problems().empty()) return show({});
  inBackground(
      this,
      [&workspace = m_project.workspace(), asked = request()] {
        return workspace.planTraining(asked);
      },
      [show](const api::Result<api::TrainingPlan>& plan) {
        show(plan ? std::optional(*plan) : std::nullopt);
      });
}

qint64 TrainingModel::plannedSteps() const {
  return m_project.isOpen() ? api::plannedSteps(m_project.recipe()) : 0;
}

void TrainingModel::start() {
  if (!m_project.isOpen()) return;
  if (const auto begun = run(request()); !begun) Q_EMIT warned(begun.error());
}

api::Result<void> TrainingModel::run(api::TrainRequest request) {
  if (!m_project.isOpen() || m_job.active()) return {};
  const auto folder = m_project.workspace().nextRunFolder(m_project.project());
  if (!folder) return api::fail(folder.error());
  request.runFolder = *folder;
  begin(std::move(request));
  return {};
}

void TrainingModel::resume(const api::RunSummary& run) {
  if (m_job.active()) return;
  api::TrainRequest request = run.request;
  request.runFolder = run.folder;
  request.resume = true;
  const std::int64_t from = run.checkpoints.empty() ? 0 : run.checkpoints.back();
  const auto metrics = m_project.workspace().runMetrics(run.folder);
  begin(std::move(request));
  readPictures(run.folder, from);
  std::vector<api::MetricSample> kept;
  std::copy_if(
      metrics.begin(), metrics.end(), std::back_inserter(kept), [&](const api::MetricSample& s) {
        return s.step <= from;
      });
  addSamples(kept);
}

void TrainingModel::begin(api::TrainRequest request) {
  resetCurves();
  m_runName = fromPath(request.runFolder.filename());
  m_classImagesTotal = request.prior.classImages;
  m_job.start(std::move(request));
}

void TrainingModel::resetCurves() {
  m_curves.clear();
  m_classImages.clear();
  m_samples.clear();
  m_classImagesTotal = 0;
  m_runName.clear();
  Q_EMIT curvesReset();
}

void TrainingModel::addSamples(const std::vector<api::MetricSample>& samples) {
  if (samples.empty()) return;
  for (const api::MetricSample& sample : samples)
    m_curves[static_cast<int>(sample.series)].append(
        {static_cast<double>(sample.step), sample.value});
  Q_EMIT curvesGrew(samples);
}

void TrainingModel::addPicture(const api::PictureReady& picture) {
  PictureItem item{toQImage(picture.image),
                   fromPath(picture.file),
                   {},
                   fromStd(picture.prompt),
                   static_cast<qint64>(picture.seed),
                   static_cast<qint64>(picture.step),
                   static_cast<int>(picture.index)};
  if (picture.kind == api::PictureKind::ClassImage) {
    m_classImagesTotal = std::max<qint64>(m_classImagesTotal, picture.total);
    item.caption = QString::number(picture.index + 1);
    m_classImages.append(std::move(item));
  } else if (picture.kind == api::PictureKind::Sample) {
    item.caption = tr("step %1").arg(picture.step);
    m_samples.append(std::move(item));
    const bool last = picture.index + 1 == picture.total;
    if (last && picture.step > 0 && m_stopAt == StopAt::AfterSamples) stop();
  }
}

void TrainingModel::setStopAt(std::optional<StopAt> at) {
  if (m_stopAt == at) return;
  m_stopAt = at;
  Q_EMIT stopAtChanged();
}

void TrainingModel::stop(StopAt at) {
  if (!m_job.active()) return;
  if (at == StopAt::Now) {
    setStopAt({});
    m_job.stop();
    return;
  }
  setStopAt(at);
  if (at == StopAt::AfterSamples) sampleNow();
}

void TrainingModel::keepTraining() { setStopAt({}); }

const api::RunSummary* TrainingModel::shownRun() const {
  const auto run = std::find_if(m_runs.begin(), m_runs.end(), [this](const api::RunSummary& r) {
    return fromStd(r.name) == m_runName;
  });
  return run == m_runs.end() ? nullptr : &*run;
}

void TrainingModel::readCurves(const api::RunSummary& run,
                               QObject* context,
                               std::function<void(const std::vector<api::MetricSample>&)> then) {
  inBackground(
      context,
      [&workspace = m_project.workspace(), folder = run.folder] {
        return workspace.runMetrics(folder);
      },
      std::move(then));
}

bool TrainingModel::canDelete(int row) const {
  if (row < 0 || row >= m_classImages.rowCount() || m_job.active() || !m_project.isOpen())
    return false;
  const QString store = fromPath(m_project.project().folder / "class-images") + QLatin1Char('/');
  return m_classImages.at(row).file.startsWith(store);
}

void TrainingModel::deleteClassPicture(int row) {
  if (!canDelete(row)) return;
  const PictureItem item = m_classImages.at(row);
  inBackground(
      this,
      [path = item.file]() -> api::Result<QByteArray> {
        QFile file(path);
        if (!file.exists()) return QByteArray();
        QByteArray bytes;
        if (file.open(QIODevice::ReadOnly)) bytes = file.readAll();
        file.close();
        if (!bytes.isEmpty() && file.remove()) return bytes;
        return api::fail(api::ErrorCode::FileUnwritable,
                         {{"file", toStd(path)}, {"reason", "the system refused"}},
                         toStd(file.errorString()));
      },
      [this, item](const api::Result<QByteArray>& bytes) {
        if (!bytes) return Q_EMIT warned(bytes.error());
        const int now = m_classImages.rowOf(item.file);
        if (now < 0) return;
        m_classImages.remove(now);
        Q_EMIT classPictureDeleted({item, now, *bytes});
      });
}

void TrainingModel::restore(const DeletedPicture& deleted) {
  // A training that has begun meanwhile makes it again itself.
  if (m_job.active()) return;
  inBackground(
      this,
      [deleted] { return writeWhole(deleted.item.file, deleted.bytes); },
      [this, deleted](const api::Result<void>& written) {
        if (!written) return Q_EMIT warned(written.error());
        if (m_job.active() || m_classImages.rowOf(deleted.item.file) >= 0) return;
        m_classImages.insert(std::min(deleted.row, m_classImages.rowCount()), deleted.item);
      });
}

const api::RunSummary* TrainingModel::unfinished() const {
  if (m_runs.empty() || m_job.active()) return nullptr;
  const api::RunSummary& last = m_runs.back();
  return !last.finished && !last.checkpoints.empty() ? &last : nullptr;
}

void TrainingModel::setBest(const std::filesystem::path& run, std::int64_t step) {
  m_project.setBest(run, step);
  keepBest();
  Q_EMIT runsChanged();
}

void TrainingModel::keepBest() {
  for (api::RunSummary& run : m_runs) {
    const auto best = m_project.best(run.folder);
    if (best && std::ranges::find(run.checkpoints, *best) != run.checkpoints.end()) run.best = best;
  }
}

void TrainingModel::refreshRuns(bool showLatest) {
  if (!m_project.isOpen()) return;
  struct Found {
    std::vector<api::RunSummary> runs;
    std::vector<api::MetricSample> metrics;
  };
  const api::Project project = m_project.project();
  inBackground(
      this,
      [&workspace = m_project.workspace(), project] {
        Found found{workspace.runs(project), {}};
        if (!found.runs.empty()) found.metrics = workspace.runMetrics(found.runs.back().folder);
        return found;
      },
      [this, showLatest, folder = project.folder](const Found& found) {
        if (!m_project.isOpen() || m_project.project().folder != folder) return;
        m_runs = found.runs;
        keepBest();
        if (showLatest && !m_runs.empty() && !m_job.active()) {
          m_runName = fromStd(m_runs.back().name);
          addSamples(found.metrics);
          readPictures(m_runs.back().folder, std::numeric_limits<qint64>::max());
        }
        Q_EMIT runsChanged();
        Q_EMIT problemsChanged();
      });
}

void TrainingModel::readPictures(const std::filesystem::path& run, qint64 lastStep) {
  struct Found {
    std::vector<PictureItem> samples, classPictures;
  };
  const api::Project& project = m_project.project();
  inBackground(
      this,
      [&workspace = m_project.workspace(),
       run,
       lastStep,
       store = project.folder / "class-images",
       prompt = api::renderPrompt(project.recipe.subject.classPrompt, project.recipe.subject)] {
        return Found{storedSamples(workspace, run, lastStep),
                     storedClassPictures(workspace, store, prompt)};
      },
      [this, folder = project.folder, name = m_runName](Found found) {
        if (!m_project.isOpen() || m_project.project().folder != folder || m_runName != name)
          return;
        for (PictureItem& item : found.samples) m_samples.append(std::move(item));
        // While it trains, its own are told one by one.
        if (m_job.active() || m_classImages.rowCount() > 0 || found.classPictures.empty()) return;
        m_classImagesTotal = found.classPictures.back().index + 1;
        for (PictureItem& item : found.classPictures) m_classImages.append(std::move(item));
      });
}

}  // namespace likeness::ui
