// Ranks over LibTorch's c10d: a TCP store to meet and to speak, Gloo to add up. The one file that
// sees its headers.
#include <ATen/ops/from_blob.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "core/train/ranks.h"
#ifdef LIKENESS_HAVE_NCCL
#include <dlfcn.h>

#include <filesystem>

#include "core/train/cuda/nccl_group.h"
#endif

namespace likeness::train {
namespace {

using api::Result;

constexpr std::chrono::minutes kMeetTimeout{5};
/// A rank that is killed is noticed at once, by its closed connection. This one is for networks
/// that fall silent; one rank may make samples so long while the others wait.
constexpr std::chrono::hours kTimeout{2};
constexpr const char* kErrorKey = "error";

std::vector<std::uint8_t> bytesOf(const std::string& text) { return {text.begin(), text.end()}; }

std::string textOf(const std::vector<std::uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

std::string toText(const api::Error& error) {
  return nlohmann::json{
      {"code", api::name(error.code)}, {"context", error.context}, {"detail", error.detail}}
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::optional<api::Error> errorFrom(const std::string& text) {
  const auto json = nlohmann::json::parse(text);
  for (const api::ErrorCode code : api::allErrorCodes())
    if (api::name(code) == json.at("code"))
      return api::Error{code, json.at("context"), json.at("detail")};
  return {};
}

class C10dRanks : public Ranks {
 public:
  /// Throws when the others are not there in time.
  explicit C10dRanks(const base::Placement& placement) {
    m_rank = placement.rank;
    m_size = placement.size;
    c10d::TCPStoreOptions meeting;
    meeting.port = placement.port;
    meeting.isServer = isFirst() && !placement.launcherListens;
    if (!placement.launcherListens) meeting.numWorkers = static_cast<std::size_t>(m_size);
    meeting.timeout = kMeetTimeout;
    m_store = c10::make_intrusive<c10d::PrefixStore>(
        "likeness" + placement.attempt,
        c10::make_intrusive<c10d::TCPStore>(placement.address, meeting));

    auto options = c10d::ProcessGroupGloo::Options::create(kTimeout);
    options->devices = {device(placement.address)};
    m_group = c10::make_intrusive<c10d::ProcessGroupGloo>(
        m_store, static_cast<int>(m_rank), static_cast<int>(m_size), options);
    m_store->setTimeout(kTimeout);
  }

  Result<void> computeOn(const at::Device& device) override {
    const auto group = device.is_cuda() ? ncclGroup() : c10::intrusive_ptr<c10d::Backend>();
    const auto without = any(!group);
    if (!without) return api::fail(without.error());
    if (!*without) m_gpus = group;
    return {};
  }

  Wait beginSum(const at::Tensor& numbers) override {
    const bool ofGpu = m_gpus && numbers.is_cuda();
    c10::intrusive_ptr<c10d::Work> work;
    std::vector<at::Tensor> there{ofGpu ? numbers : numbers.cpu()};  // itself where it is
    const auto begun =
        guarded([&] { work = ofGpu ? m_gpus->allreduce(there) : m_group->allreduce(there); });
    return [this, begun, work, numbers, sum = there.front()] {
      if (!begun) return begun;
      return guarded([&] {
        work->wait();
        if (!numbers.is_same(sum)) numbers.copy_(sum);
      });
    };
  }

  Result<void> sum(std::span<double> values) override {
    return guarded([&] {
      std::vector<at::Tensor> all{at::from_blob(
          values.data(), static_cast<std::int64_t>(values.size()), at::TensorOptions(at::kDouble))};
      m_group->allreduce(all)->wait();
    });
  }

  Result<std::string> fromFirst(std::string text) override {
    const std::string key = "text" + std::to_string(m_texts++);
    auto done = guarded([&] {
      if (isFirst())
        m_store->set(key, bytesOf(text));
      else
        text = textOf(m_store->get(key));
    });
    if (!done) return api::fail(done.error());
    return text;
  }

  void tell(const api::Error& error) override {
    try {
      m_store->set(kErrorKey, bytesOf(toText(error)));
      m_store->check({kErrorKey});  // set() returns before it has arrived
    } catch (const std::exception&) {
      // Rank 0 is gone as well; the others notice that by themselves.
    }
  }

 private:
  /// The network device that reaches the others: this machine alone, the interface that is named as
  /// for PyTorch, else the one that the host's name belongs to.
  static std::shared_ptr<gloo::transport::Device> device(const std::string& address) {
    if (address == "127.0.0.1" || address == "localhost")
      return c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1");
    if (const char* interface = std::getenv("GLOO_SOCKET_IFNAME"); interface && *interface)
      return c10d::ProcessGroupGloo::createDeviceForInterface(interface);
    return c10d::ProcessGroupGloo::createDefaultDevice();
  }

  /// c10d throws when a peer is gone; why it went, it may have left in the store.
  template <class Call>
  Result<void> guarded(const Call& call) {
    try {
      call();
      return {};
    } catch (const std::exception& failure) {
      if (m_gpus) m_gpus->abort();  // else what is computed there would wait for ever
      try {
        if (m_store->check({kErrorKey}))
          if (const auto told = errorFrom(textOf(m_store->get(kErrorKey)))) return api::fail(*told);
      } catch (const std::exception&) {
        // The store was on the rank that is lost.
      }
      return api::fail(
          api::ErrorCode::DeviceMissing,
          {{"lost", "ended or can no longer be reached"}, {"fix", "Give the same command again"}},
          failure.what());
    }
  }

  /// Nothing where the module is not there.
  c10::intrusive_ptr<c10d::Backend> ncclGroup() const {
#ifdef LIKENESS_HAVE_NCCL
    Dl_info info{};
    if (!::dladdr(reinterpret_cast<const void*>(&meet), &info)) return {};
    const auto file = std::filesystem::path(info.dli_fname).parent_path() / kNcclModule;
    void* const module = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!module) return {};
    const auto make = reinterpret_cast<MakeNcclGroup*>(::dlsym(module, kNcclGroup));
    return c10::intrusive_ptr<c10d::Backend>::reclaim(
        make(m_store, static_cast<int>(m_rank), static_cast<int>(m_size), kTimeout));
#else
    return {};
#endif
  }

  c10::intrusive_ptr<c10d::Store> m_store;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> m_group;
  c10::intrusive_ptr<c10d::Backend> m_gpus;  ///< where all ranks have one
  std::int64_t m_texts = 0;
};

}  // namespace

Result<std::unique_ptr<Ranks>> meet(const base::Placement& placement) {
  if (placement.size == 1) return std::make_unique<Ranks>();
  // Gloo writes to connections whose other end may be gone.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return std::make_unique<C10dRanks>(placement);
  } catch (const std::exception& failure) {
    return api::fail(
        api::ErrorCode::DeviceMissing,
        {{"address", placement.address + ":" + std::to_string(placement.port)},
         {"fix", "Check that all of them were started and that no firewall stands between them"}},
        failure.what());
  }
}

}  // namespace likeness::train
