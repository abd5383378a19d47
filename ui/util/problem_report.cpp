#include "ui/util/problem_report.h"

#include <QCoreApplication>
#include <QDir>
#include <QFileInfo>
#include <QRegularExpression>
#include <QSysInfo>

namespace likeness::ui {

QString redacted(QString text, const QString& home, const QString& user) {
  if (home.size() > 1) {
    // Only whole names: the home of jan is not the beginning of the home of janet.
    const QRegularExpression folder(QRegularExpression::escape(home) +
                                    QStringLiteral("(?![\\w.-])"));
    text.replace(folder, QStringLiteral("~"));
  }
  if (!user.isEmpty()) {
    const QRegularExpression word(
        QStringLiteral("(?<![\\w])%1(?![\\w])").arg(QRegularExpression::escape(user)),
        QRegularExpression::UseUnicodePropertiesOption);
    text.replace(word, QStringLiteral("USER"));
  }
  return text;
}

QString problemReport(const QString& recipe, const QStringList& logLines) {
  QStringList parts;
  parts << QStringLiteral("%1 %2, Qt %3\n%4, %5, %6")
               .arg(QCoreApplication::applicationName(),
                    QCoreApplication::applicationVersion(),
                    QString::fromLatin1(qVersion()),
                    QSysInfo::prettyProductName(),
                    QSysInfo::kernelVersion(),
                    QSysInfo::currentCpuArchitecture());
  if (!recipe.isEmpty()) parts << QStringLiteral("Recipe:\n") + recipe.trimmed();
  parts << QStringLiteral("Log:\n") + logLines.join(QLatin1Char('\n'));
  QString text = parts.join(QStringLiteral("\n\n")) + QLatin1Char('\n');
  const QString user = qEnvironmentVariable("USER", qEnvironmentVariable("LOGNAME"));
  const QString home = QDir::homePath();
  text = redacted(std::move(text), home, {});
  if (const QString real = QFileInfo(home).canonicalFilePath(); !real.isEmpty())
    text = redacted(std::move(text), real, {});
  return redacted(std::move(text), {}, user.isEmpty() ? QFileInfo(home).fileName() : user);
}

}  // namespace likeness::ui
