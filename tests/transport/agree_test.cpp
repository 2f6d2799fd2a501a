// Processes that are about to do different things say so, each of them.
#include <foal/transport/agree.hpp>

#include <catch2/catch.hpp>

namespace {

using namespace foal;

/// What the other processes give is told beforehand.
struct told {
  static inline transport::process_place here{};
  static inline std::vector<std::string> all{};

  static transport::process_place place() { return here; }
  std::vector<std::string> exchange(std::string const& mine) {
    all[static_cast<std::size_t>(here.number)] = mine;
    return all;
  }
  static void end_all(std::string const&) {}
  void tell(int, transport::note const&) {}
  std::optional<transport::note> heard() { return {}; }
  struct channel {
    channel(told&, transport::open_end, int) {}
    bool progress() { return false; }
    bool done() const { return true; }
    void end_at(std::uint32_t) {}
  };
};

report::fingerprint with(char const* seed) { return {.items = {{"model", "net"}, {"seed", seed}}}; }

}  // namespace

TEST_CASE("a difference between any two processes is the same sentence in all of them") {
  std::vector<report::fingerprint> const of{with("1"), with("1"), with("2")};
  for (int p = 0; p < 3; ++p) {
    told::here = {p, 3};
    told::all.clear();
    for (report::fingerprint const& f : of) told::all.push_back(report::packed(f));
    CHECK_THROWS_WITH(
        transport::agree<told>(of[static_cast<std::size_t>(p)], "train together"),
        Catch::StartsWith("cannot train together, because the runs are not the same: seed is 1 in process 0 and "
                          "2 in process 2; "));
  }
}

TEST_CASE("equal processes agree, one alone asks nobody, and what is not known is no agreement") {
  told::here = {1, 2};
  told::all.assign(2, report::packed(with("1")));
  CHECK_NOTHROW(transport::agree<told>(with("1"), "train together"));
  report::fingerprint quiet = with("1");
  quiet.unknown.push_back("delay");
  told::all.assign(2, report::packed(quiet));
  CHECK_THROWS_WITH(transport::agree<told>(quiet, "train together"), Catch::Contains("the policy of 'delay' has numbers"));
  told::here = {0, 1};
  told::all.clear();
  CHECK_NOTHROW(transport::agree<told>(with("1"), "train together"));
}

TEST_CASE("what one process does not know is compared between those that do") {
  auto const of = [](std::string_view digest) {
    report::fingerprint f = with("1");
    f.items.emplace_back("digest", digest);
    return f;
  };
  std::vector<report::fingerprint> all{of(report::not_here), of("a"), of(report::not_here), of("a")};
  told::here = {0, 4};
  auto const give = [&] {
    told::all.clear();
    for (report::fingerprint const& f : all) told::all.push_back(report::packed(f));
  };
  give();
  CHECK_NOTHROW(transport::agree<told>(all[0], "train together"));
  all[3] = of("b");
  give();
  CHECK_THROWS_WITH(transport::agree<told>(all[0], "train together"),
                    Catch::Contains("digest is a in process 1 and b in process 3"));
}
