#include "ui/util/desktop.h"

#include <QCoreApplication>
#include <QDBusConnection>
#include <QDBusMessage>
#include <QDBusUnixFileDescriptor>
#include <QFile>
#include <QThreadPool>
#include <QVariantMap>
#include <atomic>
#include <mutex>

namespace likeness::ui {
namespace {

constexpr int kBusPatienceMs = 2000;
constexpr auto kAwakeBus = "likeness-awake";

struct DesktopTr {
  Q_DECLARE_TR_FUNCTIONS(Desktop)
};

struct BusCall {
  const char *service, *path, *interface, *method;
  QVariantList arguments;
};

/// Waits for the answer; nothing where there is no bus or no such service.
QVariant call(const QDBusConnection& bus, const BusCall& what) {
  if (!bus.isConnected()) return {};
  QDBusMessage message = QDBusMessage::createMethodCall(QLatin1String(what.service),
                                                        QLatin1String(what.path),
                                                        QLatin1String(what.interface),
                                                        QLatin1String(what.method));
  message.setArguments(what.arguments);
  const QDBusMessage reply = bus.call(message, QDBus::Block, kBusPatienceMs);
  return reply.type() == QDBusMessage::ReplyMessage ? reply.arguments().value(0) : QVariant();
}

}  // namespace

/// What keeps the machine awake is held by a connection of its own and by a file: closing them lets
/// go, as does the end of the program, however it comes.
struct Desktop::Awake {
  std::atomic<bool> wanted = false;
  std::mutex mutex;
  bool held = false;             // under the mutex
  QDBusUnixFileDescriptor lock;  // under the mutex

  void follow(const QString& program, const QString& why) {
    const std::lock_guard guard(mutex);
    if (held == wanted) return;
    held = wanted;
    if (!held) {
      lock = {};
      QDBusConnection::disconnectFromBus(QLatin1String(kAwakeBus));
      return;
    }
    // Each desktop listens to one of these.
    const auto session =
        QDBusConnection::connectToBus(QDBusConnection::SessionBus, QLatin1String(kAwakeBus));
    constexpr auto power = "org.freedesktop.PowerManagement.Inhibit";
    call(session,
         {"org.freedesktop.PowerManagement",
          "/org/freedesktop/PowerManagement/Inhibit",
          power,
          "Inhibit",
          {program, why}});
    constexpr auto gnome = "org.gnome.SessionManager";
    constexpr uint noWindow = 0, suspend = 4;
    call(session,
         {gnome, "/org/gnome/SessionManager", gnome, "Inhibit", {program, noWindow, why, suspend}});
    const QVariant file = call(QDBusConnection::systemBus(),
                               {"org.freedesktop.login1",
                                "/org/freedesktop/login1",
                                "org.freedesktop.login1.Manager",
                                "Inhibit",
                                {QStringLiteral("idle"), program, why, QStringLiteral("block")}});
    lock = file.value<QDBusUnixFileDescriptor>();
  }
};

Desktop::Desktop() : m_awake(std::make_shared<Awake>()) {}
Desktop::~Desktop() = default;

void Desktop::notify(const QString& title, const QString& text) {
  const QString program = QCoreApplication::applicationName();
  QThreadPool::globalInstance()->start([program, title, text] {
    call(QDBusConnection::sessionBus(),
         {"org.freedesktop.Notifications",
          "/org/freedesktop/Notifications",
          "org.freedesktop.Notifications",
          "Notify",
          {program,
           0U,
           QStringLiteral("io.github.likeness"),
           title,
           text.toHtmlEscaped(),
           QStringList(),
           QVariantMap{{QStringLiteral("desktop-entry"), QStringLiteral("io.github.likeness")}},
           -1}});
  });
}

void Desktop::keepAwake(bool awake) {
  if (m_awake->wanted.exchange(awake) == awake) return;
  QThreadPool::globalInstance()->start(
      [state = m_awake,
       program = QCoreApplication::applicationName(),
       why = DesktopTr::tr("A job is running")] { state->follow(program, why); });
}

bool Desktop::moveToTrash(const QString& path) { return QFile::moveToTrash(path); }

}  // namespace likeness::ui
