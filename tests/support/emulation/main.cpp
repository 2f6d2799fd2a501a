// Runs tests on the emulation: a case fails, too, for what its kernels and queues did wrong.
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#include <cstdlib>
#include <iostream>

#include "flaws.hpp"
#include "libraries.hpp"
#include "runtime.hpp"

namespace {

int flawed = 0;

struct listener : Catch::TestEventListenerBase {
  using TestEventListenerBase::TestEventListenerBase;

  void testCaseStarting(Catch::TestCaseInfo const& info) override {
    TestEventListenerBase::testCaseStarting(info);
    char const* const chosen = std::getenv("FOAL_EMULATION_SEED");
    foal::test::emulation::seed(chosen != nullptr ? std::strtoull(chosen, nullptr, 10) : 1);
    foal::test::emulation::set_devices(1);
    foal::test::emulation::libraries() = {};
  }
  void testCaseEnded(Catch::TestCaseStats const& stats) override {
    TestEventListenerBase::testCaseEnded(stats);
    for (std::string const& flaw : foal::test::emulation::take_flaws()) {
      std::cout << "FAILED: " << stats.testInfo.name << ": " << flaw << '\n';
      ++flawed;
    }
    foal::test::emulation::reset();
  }
};
CATCH_REGISTER_LISTENER(listener)

}  // namespace

int main(int argc, char* argv[]) {
  Catch::Session session;
  if (int const refused = session.applyCommandLine(argc, argv); refused != 0) return refused;
  int const failures = session.run();
  return session.configData().listTestNamesOnly ? failures : failures != 0 || flawed != 0;
}
