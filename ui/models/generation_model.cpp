#include "ui/models/generation_model.h"

#include <algorithm>

#include "ui/util/convert.h"

namespace likeness::ui {
namespace {
constexpr int kDebounceMs = 60;  // between moves of the slider
constexpr int kRestMs = 700;     // until the slider counts as resting
constexpr std::int64_t kQuickSteps = 8;
constexpr std::int64_t kPreviews = 10;  // per picture, at most
}  // namespace

GenerationModel::GenerationModel(EngineBridge& bridge, QObject* parent)
    : QObject(parent), m_job(bridge) {
  connect(&m_job, &Job::picture, this, &GenerationModel::receive);
  connect(&m_job, &Job::ended, this, &GenerationModel::launchNext);
  m_debounce.setSingleShot(true);
  m_debounce.setInterval(kDebounceMs);
  const auto lookAgain = [this](bool quick) {
    m_following = true;
    launch(m_followed, quick);
  };
  connect(&m_debounce, &QTimer::timeout, this, [lookAgain] { lookAgain(true); });
  m_rest.setSingleShot(true);
  m_rest.setInterval(kRestMs);
  connect(&m_rest, &QTimer::timeout, this, [lookAgain] { lookAgain(false); });
}

void GenerationModel::generate(const api::GenerateRequest& request) {
  m_debounce.stop();
  m_rest.stop();
  m_following = false;
  launch(request, false);
}

void GenerationModel::follow(const api::GenerateRequest& request) {
  if (m_job.active() && !m_following) return;
  m_followed = request;
  m_followed.count = 1;
  if (!m_debounce.isActive()) m_debounce.start();
  m_rest.start();
}

void GenerationModel::cancel() {
  m_debounce.stop();
  m_rest.stop();
  m_next.reset();
  m_job.stop();
}

void GenerationModel::clear() {
  cancel();
  m_history.clear();
}

void GenerationModel::launch(const api::GenerateRequest& request, bool quick) {
  m_next = request;
  m_nextQuick = quick;
  if (m_job.active()) {
    m_job.stop();
  } else {
    launchNext();
  }
}

void GenerationModel::launchNext() {
  if (!m_next || m_job.active()) return;
  api::GenerateRequest request = *std::exchange(m_next, std::nullopt);
  m_quick = m_nextQuick;
  m_subject = request.subject;
  if (m_quick) {
    request.sampling.steps = std::min(request.sampling.steps, kQuickSteps);
    request.previewEvery = 0;
    request.hiresScale = 1;
    request.outFolder.clear();
  } else {
    request.previewEvery = std::max<std::int64_t>(1, request.sampling.steps / kPreviews);
  }
  m_job.start(std::move(request));
}

void GenerationModel::receive(const api::PictureReady& picture) {
  const QImage image = toQImage(picture.image);
  if (picture.kind == api::PictureKind::Preview) {
    if (picture.index == 0 || picture.total <= 1) Q_EMIT shown(image, false);
    return;
  }
  if (picture.kind != api::PictureKind::Result) return;
  if (m_quick) {
    Q_EMIT shown(image, false);
    return;
  }
  m_history.append({image,
                    fromPath(picture.file),
                    tr("seed %1").arg(picture.seed),
                    fromStd(api::renderPrompt(picture.prompt, m_subject)),
                    static_cast<qint64>(picture.seed)});
  Q_EMIT shown(image, true);
  Q_EMIT added(m_history.rowCount() - 1);
}

}  // namespace likeness::ui
