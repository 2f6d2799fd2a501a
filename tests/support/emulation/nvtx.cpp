// NVTX as a tool has it: what is pushed on a thread is popped there, and in the domain that it was pushed in.
#include "nvtx.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "cuda/nvtx3/nvToolsExt.h"
#include "flaws.hpp"

struct nvtxStringRegistration_st {
  std::string text;
};
struct nvtxDomainRegistration_st {
  std::string name;
  std::vector<std::unique_ptr<nvtxStringRegistration_st>> strings;
  std::map<std::thread::id, std::vector<foal::test::emulation::heard_range>> open;
};

namespace foal::test::emulation {

namespace {

std::mutex guard;
std::map<nvtxDomainHandle_t, std::unique_ptr<nvtxDomainRegistration_st>> domains;
std::vector<heard_range> ended;

}  // namespace

std::vector<heard_range> take_ranges() {
  std::lock_guard const lock(guard);
  for (auto const& [handle, domain] : domains)
    for (auto const& [thread, ranges] : domain->open)
      if (!ranges.empty()) report("a range of NVTX is open at the end: " + ranges.back().name);
  return std::exchange(ended, {});
}

}  // namespace foal::test::emulation

using namespace foal::test::emulation;

nvtxDomainHandle_t nvtxDomainCreateA(char const* name) {
  std::lock_guard const lock(guard);
  auto made = std::make_unique<nvtxDomainRegistration_st>();
  made->name = name;
  nvtxDomainHandle_t const handle = made.get();
  domains[handle] = std::move(made);
  return handle;
}

void nvtxDomainDestroy(nvtxDomainHandle_t domain) {
  std::lock_guard const lock(guard);
  if (domains.erase(domain) == 0) report("a domain of NVTX is destroyed that is none");
}

nvtxStringHandle_t nvtxDomainRegisterStringA(nvtxDomainHandle_t domain, char const* string) {
  std::lock_guard const lock(guard);
  auto made = std::make_unique<nvtxStringRegistration_st>();
  made->text = string;
  return domain->strings.emplace_back(std::move(made)).get();
}

int nvtxDomainRangePushEx(nvtxDomainHandle_t domain, nvtxEventAttributes_t const* a) {
  std::lock_guard const lock(guard);
  if (a->version != NVTX_VERSION || a->size != NVTX_EVENT_ATTRIB_STRUCT_SIZE ||
      a->messageType != NVTX_MESSAGE_TYPE_REGISTERED || a->payloadType != NVTX_PAYLOAD_TYPE_INT64) {
    report("a range of NVTX has attributes that the emulation does not know");
    return -1;
  }
  auto& open = domain->open[std::this_thread::get_id()];
  int const depth = static_cast<int>(open.size());
  open.push_back({domain->name, a->message.registered->text, a->payload.llValue, depth});
  return depth;
}

int nvtxDomainRangePop(nvtxDomainHandle_t domain) {
  std::lock_guard const lock(guard);
  auto& open = domain->open[std::this_thread::get_id()];
  if (open.empty()) {
    report("a range of NVTX ends on a thread where none is open");
    return -1;
  }
  ended.push_back(open.back());
  open.pop_back();
  return static_cast<int>(open.size());
}
