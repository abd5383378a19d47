// The real program, with an engine that does what its prompt says: how it ends, what that does to
// the other side, and what it inherits.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <cstdlib>
#include <fstream>

#include "core/base/helper_program.h"
#include "core/remote/remote_engine.h"
#include "likeness_version.h"
#include "tests/support/fake_engine.h"
#include "tests/support/recording.h"

namespace likeness::remote {
namespace {

using namespace api;
using support::Recording;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

GenerateRequest prompt(const std::string& text) {
  GenerateRequest request;
  request.prompt = text;
  return request;
}
TrainRequest training() {
  TrainRequest request;
  request.subject.classWord = "toy";
  request.photos = {{"1.jpg", {}, {}, false}};
  request.runFolder = "runs/0001";
  return request;
}

class ProcessTest : public testing::Test {
 protected:
  ProcessTest() { setenv("LIKENESS_ENGINE", (m_lib / "tests/libacting_engine.so").c_str(), 1); }
  ~ProcessTest() override { unsetenv("LIKENESS_ENGINE"); }

  void open() {
    EngineOptions options;
    options.resources = "the resources";
    options.niceness = 7;
    options.log = [this](int level, std::string_view text) {
      const std::lock_guard lock(m_mutex);
      m_log.push_back(std::to_string(level) + " " + std::string(text));
    };
    auto engine = startRemoteEngine(options);
    ASSERT_TRUE(engine) << message(engine.error());
    m_engine = std::move(*engine);
    m_events.emplace(*m_engine);
  }
  JobId submit(Request request) { return m_engine->submit(std::move(request))->id; }
  Error failureOf(JobId job) { return std::get<Failed>(m_events->finish(job)).error; }
  /// The next job is done by another process.
  void expectWorks() {
    const JobId job = submit(prompt("pictures"));
    EXPECT_TRUE(std::holds_alternative<Completed>(m_events->finish(job)));
    const auto pictures = m_events->of<PictureReady>(job);
    ASSERT_EQ(pictures.size(), 12u);
    EXPECT_EQ(pictures.back().image, support::testImage(64, 64, 3));
  }
  std::vector<std::string> log() {
    const std::lock_guard lock(m_mutex);
    return m_log;
  }

  const std::filesystem::path m_lib =
      base::helperProgram("likeness-engine").parent_path().parent_path() / "lib";
  std::mutex m_mutex;
  std::vector<std::string> m_log;
  std::shared_ptr<RemoteEngine> m_engine;
  std::optional<Recording> m_events;
};

TEST_F(ProcessTest, WorksAndInheritsNothing) {
  // Left open for every program on purpose, as libraries do by mistake.
  const base::Descriptor careless(::open("/proc/self/status", O_RDONLY));
  open();
  expectWorks();
  EXPECT_THAT(log(), Contains("3 resources the resources, niceness 7"));
  EXPECT_THAT(log(), Contains(HasSubstr("0=/dev/null")));
  EXPECT_THAT(log(), Contains(HasSubstr("3=socket:")));
  EXPECT_THAT(log(), Not(Contains(HasSubstr("status"))));
  // The one that the kernel ends first when memory runs out.
  int score = 0;
  std::ifstream("/proc/" + std::to_string(m_engine->processId()) + "/oom_score_adj") >> score;
  EXPECT_EQ(score, 500);
  const int process = m_engine->processId();
  m_events.reset();
  m_engine.reset();
  EXPECT_NE(::kill(process, 0), 0) << "it has gone with its engine";
  EXPECT_THAT(log().back(), HasSubstr("2 The engine's process"));
}

TEST_F(ProcessTest, ACrashEndsItsJobsAndNothingElse) {
  open();
  const int first = m_engine->processId();
  const JobId waiting = submit(training()), crashing = submit(prompt("segfault"));
  const Error error = failureOf(waiting);
  EXPECT_EQ(error.code, ErrorCode::DeviceMissing);
  EXPECT_THAT(message(error), HasSubstr("stopped unexpectedly: it was ended by signal 11"));
  EXPECT_THAT(hint(error), HasSubstr("can be continued from its last checkpoint"));
  EXPECT_THAT(message(failureOf(crashing)), HasSubstr("signal 11"));
  expectWorks();
  EXPECT_NE(m_engine->processId(), first);
  EXPECT_EQ(m_events->of<JobFinished>(waiting).size(), 1u);
}

TEST_F(ProcessTest, KilledFromOutside) {
  open();
  const JobId job = submit(training());
  m_events->waitFor<JobStarted>(job);
  ::kill(m_engine->processId(), SIGKILL);
  EXPECT_THAT(message(failureOf(job)), HasSubstr("signal 9"));
  expectWorks();
}

TEST_F(ProcessTest, EveryOtherWayToEnd) {
  open();
  EXPECT_THAT(message(failureOf(submit(prompt("exit")))), HasSubstr("exit code 3"));
  EXPECT_THAT(message(failureOf(submit(prompt("throw")))), HasSubstr("signal 6"));
  EXPECT_EQ(failureOf(submit(prompt("garbage"))).code, ErrorCode::Internal);
  expectWorks();
}

TEST_F(ProcessTest, ATermSignalIsAWishToStop) {
  open();
  const JobId job = submit(training());
  m_events->waitFor<JobStarted>(job);
  ::kill(m_engine->processId(), SIGTERM);
  EXPECT_THAT(message(failureOf(job)), HasSubstr("exit code 0"));
  expectWorks();
}

TEST_F(ProcessTest, EndsByItselfWhenTheOtherSideIsGone) {
  auto connection = startEngineProcess(base::helperProgram("likeness-engine"));
  ASSERT_TRUE(connection) << message(connection.error());
  Channel channel(std::move(connection->socket));
  channel.send(encode(ToEngine(Start{kVersion, "r", 0})));
  channel.send(encode(ToEngine(Submit{1, training()})));
  while (const auto packet = channel.receive()) {
    const auto said = decode<FromEngine>((*packet)->bytes);
    const auto* event = std::get_if<Event>(&*said);
    if (event && std::holds_alternative<JobStarted>(event->body)) break;
  }
  channel.closeSending();
  siginfo_t info{};
  ASSERT_EQ(
      ::waitid(P_PID, static_cast<id_t>(connection->host->processId()), &info, WEXITED | WNOWAIT),
      0);
  EXPECT_EQ(info.si_code, CLD_EXITED);
  EXPECT_EQ(connection->host->end().exitCode, 0);
}

TEST_F(ProcessTest, WhatKeepsItFromStartingIsSaid) {
  const auto missing = startEngineProcess("/nowhere/likeness-engine");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::EngineMissing);
  EXPECT_THAT(message(missing.error()), HasSubstr("/nowhere/likeness-engine: No such file"));

  setenv("LIKENESS_ENGINE", "/nowhere/engine.so", 1);
  const auto noModule = startRemoteEngine({});
  ASSERT_FALSE(noModule);
  EXPECT_EQ(noModule.error().code, ErrorCode::EngineMissing);
  EXPECT_EQ(message(noModule.error()),
            "The part of Likeness that computes could not be loaded: no file /nowhere/engine.so.");
}

TEST_F(ProcessTest, PeopleWhoStartItAreToldWhatItIs) {
  const std::string program = base::helperProgram("likeness-engine");
  const int status = std::system((program + " 2>/dev/null 3<&-").c_str());
  EXPECT_EQ(WEXITSTATUS(status), 2);
}

}  // namespace
}  // namespace likeness::remote
