// likeness: the window. `likeness [PROJECT.likeness]`, `--version`, `--help`.
#include <QApplication>
#include <QCommandLineParser>
#include <cstdio>

#include "app/application.h"
#include "likeness_version.h"

int main(int argc, char** argv) {
  // These need no display.
  for (int i = 1; i < argc; ++i) {
    if (qstrcmp(argv[i], "--version") == 0 || qstrcmp(argv[i], "-v") == 0) {
      std::printf("likeness %s\n", likeness::kVersion);
      return 0;
    }
  }
  QApplication qt(argc, argv);
  QApplication::setApplicationName(QStringLiteral("likeness"));
  QApplication::setApplicationDisplayName(QStringLiteral("Likeness"));
  QApplication::setOrganizationName(QStringLiteral("likeness"));
  QApplication::setApplicationVersion(QString::fromLatin1(likeness::kVersion));
  QApplication::setDesktopFileName(QStringLiteral("io.github.likeness"));

  QCommandLineParser parser;
  parser.setApplicationDescription(
      QApplication::translate("main", "Teaches an image model one subject from a few photos."));
  parser.addHelpOption();
  parser.addOption({{"v", "version"}, QApplication::translate("main", "Prints the version.")});
  parser.addOption({"project", QApplication::translate("main", "Opens a project folder."), "PATH"});
  parser.addOption(
      {"size", QApplication::translate("main", "Size of the window in pixels."), "WxH"});
  QCommandLineOption map(
      "widget-map",
      QStringLiteral("Keeps a file of where the controls are, for packaging/tour.sh."),
      "FILE");
  map.setFlags(QCommandLineOption::HiddenFromHelp);
  parser.addOption(map);
  parser.addPositionalArgument("PROJECT.likeness",
                               QApplication::translate("main", "A project folder to open."),
                               "[PROJECT.likeness]");
  parser.process(qt);

  likeness::app::Arguments arguments;
  arguments.project =
      parser.isSet("project") ? parser.value("project") : parser.positionalArguments().value(0);
  arguments.widgetMap = parser.value(map);
  const QStringList size = parser.value("size").split(QLatin1Char('x'));
  if (size.size() == 2) arguments.size = {size[0].toInt(), size[1].toInt()};
  const likeness::app::Application application(qt, arguments);
  return QApplication::exec();
}
