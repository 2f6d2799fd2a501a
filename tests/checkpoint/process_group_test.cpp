// Processes that tell each other: what each says all have, however long, and what one throws all throw.
#include <foal/checkpoint/process_group.hpp>

#include <catch2/catch.hpp>

#include <barrier>
#include <thread>

using namespace foal;
using Catch::Contains;
using checkpoint::process_group;

namespace {

/// Calls f(group) in so many threads, each of which is a process; gives what each has thrown.
template <class F>
std::vector<std::string> in_group(int count, F const& f) {
  auto const size = static_cast<std::size_t>(count);
  std::vector<std::string> said(size), thrown(size);
  std::barrier<> meet(count);
  std::vector<std::thread> threads;
  for (int p = 0; p < count; ++p)
    threads.emplace_back([&, p] {
      process_group group{{p, count}};
      group.exchange = [&, p](std::string const& mine) {
        said[static_cast<std::size_t>(p)] = mine;
        meet.arrive_and_wait();
        std::vector<std::string> all = said;
        meet.arrive_and_wait();
        return all;
      };
      try {
        f(group);
      } catch (std::exception const& e) {
        thrown[static_cast<std::size_t>(p)] = e.what();
      }
    });
  for (std::thread& t : threads) t.join();
  return thrown;
}

}  // namespace

TEST_CASE("one process alone exchanges nothing") {
  process_group const alone;
  CHECK(alone.alone());
  CHECK(alone.texts("x") == std::vector<std::string>{"x"});
  CHECK(alone.from_leader("x") == "x");
  CHECK(alone.spread(0, "bytes") == "bytes");
  CHECK_THROWS_WITH(alone.all([] { throw error("no"); }), "no");
  report::fingerprint run;
  agree_on(alone, run, {});
}

TEST_CASE("what processes say all have, by process, and bytes of one come to all") {
  std::string const bytes("a\0b", 3);
  std::vector<int> right(3, 0);
  auto const thrown = in_group(3, [&](process_group const& group) {
    int const p = group.here.number;
    bool well = group.leads() == (p == 0) && !group.alone();
    well = well && group.texts(std::to_string(p)) == std::vector<std::string>{"0", "1", "2"};
    well = well && group.from_leader("from " + std::to_string(p)) == "from 0";
    well = well && group.spread(2, p == 2 ? bytes : "other") == bytes;
    well = well && group.spread(1, "").empty();
    right[static_cast<std::size_t>(p)] = well ? 1 : 0;
  });
  CHECK(thrown == std::vector<std::string>(3));
  CHECK(right == std::vector<int>(3, 1));
}

TEST_CASE("what one process throws comes out of all, of two the first one's") {
  auto const thrown = in_group(3, [](process_group const& group) {
    group.all([] {});
    group.all([&] {
      if (group.here.number > 0) throw error(sentence("process ", group.here.number, " cannot"));
    });
  });
  CHECK(thrown == std::vector<std::string>(3, "process 1 cannot"));
}

TEST_CASE("runs that differ are refused by all, and what one knows of a run all know") {
  auto const thrown = in_group(2, [](process_group const& group) {
    report::fingerprint run;
    run.items = {{"model", "net"}, {"data", group.leads() ? std::string(report::not_here) : "digits"}};
    agree_on(group, run, {{"keep", "3"}});
    if (run.items[1].second != "digits" || run.items.size() != 2) throw error("it is not known");
    agree_on(group, run, {{"keep", std::to_string(group.here.number)}});
  });
  for (std::string const& one : thrown) CHECK_THAT(one, Contains("keep is 0 in process 0 and 1 in process 1"));
}
