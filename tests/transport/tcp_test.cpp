// Processes that are forked here meet over TCP and train to the bits of one thread; what can go wrong as they meet is said.
#include <foal/tcp.hpp>

#include <foal/foal.hpp>
#include <foal/policy/replica/sharded.hpp>
#include <foal/trainer/gathered.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

using namespace foal;

namespace {

using Catch::Contains;

/// A port that is free, as far as one can say beforehand.
int free_port() { return transport::listening("127.0.0.1", 0).port(); }

struct ended {
  int status = -1;
  std::string text;  ///< of stderr
};

/// f(number) in so many processes, each with its place and the address in the environment. None outlives a minute.
template <class F>
std::vector<ended> in_processes(int count, F const& f, std::map<std::string, std::string> const& more = {}) {
  std::string const at = "127.0.0.1:" + std::to_string(free_port());
  struct child {
    pid_t number;
    int text;
  };
  std::vector<child> all;
  for (int p = 0; p < count; ++p) {
    std::array<int, 2> ends{};
    REQUIRE(pipe(ends.data()) == 0);
    pid_t const one = fork();
    REQUIRE(one >= 0);
    if (one == 0) {
      close(ends[0]);
      dup2(ends[1], 2);
      for (int const signal : {SIGABRT, SIGSEGV, SIGTERM}) std::signal(signal, SIG_DFL);
      alarm(60);
      setenv("FOAL_RANK", std::to_string(p).c_str(), 1);
      setenv("FOAL_SIZE", std::to_string(count).c_str(), 1);
      setenv("FOAL_ADDRESS", at.c_str(), 1);
      for (auto const& [name, value] : more) setenv(name.c_str(), value.c_str(), 1);
      int status = 0;
      try {
        status = f(p);
      } catch (std::exception const& e) {
        std::string const what = e.what();
        status = write(2, what.data(), what.size()) < 0 ? 4 : 3;
      }
      std::_Exit(status);
    }
    close(ends[1]);
    all.push_back({one, ends[0]});
  }
  std::vector<ended> results;
  for (child const& c : all) {
    ended e;
    std::array<char, 4096> part{};
    for (ssize_t n = 0; (n = read(c.text, part.data(), part.size())) > 0;)
      e.text.append(part.data(), static_cast<std::size_t>(n));
    close(c.text);
    int status = 0;
    waitpid(c.number, &status, 0);
    if (WIFEXITED(status)) e.status = WEXITSTATUS(status);
    results.push_back(std::move(e));
  }
  return results;
}

struct net : stages<input<16>, repeat<3, linear<24>, foal::tanh>, linear<4>> {};

struct samples {
  void inputs(long long m, float* x, float*) const {
    for (int i = 0; i < 4 * 16; ++i) x[i] = static_cast<float>((m * 64 + i) * 7 % 23) * 0.1F - 1;
  }
  void targets(long long m, std::int32_t* t) const {
    for (int i = 0; i < 4; ++i) t[i] = static_cast<std::int32_t>((m + i) % 4);
  }
};

/// Trains with some policies in these processes, and alone. Gives 0 where all weights are the same.
template <class Schedule, class... Policies>
int differences(int replicas = 1, int workers = 1) {
  auto const train = [&]<class Executor>(Executor, int in) {
    using trained = trainer<net, loss::cross_entropy, Schedule, optim::momentum, Executor, Policies...>;
    typename trained::config c;
    c.microbatch_size = 4;
    c.microbatches = 4;
    c.lr.rate = 0.05;
    c.replicas = replicas;
    c.workers = in;
    c.evaluation = false;
    auto t = std::make_unique<trained>(c);
    t->run(samples{}, {.minibatches = 30});
    return t;
  };
  auto const many = train(executor::tcp_processes{}, workers);
  auto const one = train(executor::single_thread{}, 1);
  gathered const all(*many);
  bool differ = false;
  for (auto const& b : many->engine().stages())
    for (std::size_t p = 0; b.replica == 0 && p < b.table->parameters.size(); ++p)
      differ = differ || all.weights(b.number, p) != one->weights(b.number, p);
  return differ ? 1 : 0;
}

void check_all_good(std::vector<ended> const& all) {
  for (ended const& e : all) {
    CHECK(e.text == "");
    CHECK(e.status == 0);
  }
}

}  // namespace

TEST_CASE("processes over TCP train to the bits of one thread") {
  for (int const count : {2, 3, 4})
    check_all_good(in_processes(count, [](int) {
      executor::tcp_session const session;
      return differences<schedule::one_f_one_b>() + differences<schedule::pipemare>() +
             differences<schedule::one_f_one_b, replica::sharded>(2);
    }));
  check_all_good(in_processes(2, [](int) {
    executor::tcp_session const session;
    return differences<schedule::pipemare>(1, 2);
  }));
}

TEST_CASE("texts and bytes of any size, each to one process, and transports one after another") {
  check_all_good(in_processes(3, [](int p) {
    executor::tcp_session const session;
    int wrong = 0;
    for (std::size_t const size : {std::size_t{0}, std::size_t{5}, std::size_t{3'000'000}}) {
      auto const text = [size](int of) {
        return std::string(size + static_cast<std::size_t>(of), static_cast<char>('a' + of));
      };
      transport::tcp all;
      auto const texts = all.exchange(text(p));
      for (int q = 0; q < 3; ++q) wrong += texts[static_cast<std::size_t>(q)] == text(q) ? 0 : 1;
      wrong += all.swap((p + 1) % 3, (p + 2) % 3, text(p)) == text((p + 2) % 3) ? 0 : 1;
      wrong += transport::tcp().swap(p, p, text(p)) == text(p) ? 0 : 1;
    }
    return wrong;
  }));
}

TEST_CASE("notes go to process 0 and from there, in their order") {
  check_all_good(in_processes(3, [](int p) {
    executor::tcp_session const session;
    transport::tcp all;
    int heard = 0, wrong = 0;
    if (p > 0)
      for (int i = 0; i < 40; ++i) all.tell(0, {.from = p, .a = i});
    std::array<int, 3> next{};
    for (int const wanted = p == 0 ? 80 : 10; heard < wanted;) {
      auto const n = all.heard();
      if (!n) continue;
      ++heard;
      wrong += n->a == next[static_cast<std::size_t>(n->from)]++ ? 0 : 1;
    }
    if (p == 0)
      for (int i = 0; i < 10; ++i)
        for (int const q : {1, 2}) all.tell(q, {.from = 0, .a = i});
    wrong += all.exchange("") == std::vector<std::string>(3) ? 0 : 1;  // nothing of a note is left
    return wrong;
  }));
}

TEST_CASE("a program with as_launched is joined over TCP where several were started") {
  check_all_good(in_processes(2, [](int p) {
    executor::launched_tcp_session const session;
    auto const here = executor::as_launched::place();
    return here.number == p && here.count == 2 ? 0 : 1;
  }));
  check_all_good(in_processes(1, [](int) {
    executor::launched_tcp_session const session;
    return executor::as_launched::place().count == 1 ? 0 : 1;
  }));
}

TEST_CASE("a process that is gone ends the others, which name it") {
  auto const all = in_processes(3, [](int p) {
    executor::tcp_session const session;
    if (p == 1) std::_Exit(7);
    differences<schedule::one_f_one_b>();
    return 0;
  });
  CHECK(all[1].status == 7);
  for (std::size_t const p : {0U, 2U}) {
    CHECK(all[p].status == 1);
    CHECK_THAT(all[p].text,
               Contains("cannot go on as process " + std::to_string(p) + " of 3") && Contains("see what it says"));
  }
}

TEST_CASE("what a process throws outside of a run ends all once it has been said") {
  auto const all = in_processes(2, [](int p) {
    executor::tcp_session const session;
    if (p == 1) throw error("cannot read the data");
    differences<schedule::one_f_one_b>();
    return 0;
  });
  CHECK(all[1].status == 3);
  CHECK(all[1].text == "cannot read the data");
  CHECK(all[0].status == 1);
  CHECK_THAT(all[0].text, Contains("because process 1 has ended"));
}

TEST_CASE("processes that are no part of one run are refused, with both numbers") {
  SECTION("counts differ") {
    auto const all = in_processes(2, [](int p) {
      setenv("FOAL_SIZE", p == 0 ? "2" : "3", 1);
      executor::tcp_session const session(std::chrono::seconds(5));
      return 0;
    });
    CHECK(all[0].status == 3);
    CHECK_THAT(all[0].text, Contains("cannot begin with 2 processes") && Contains("says that it is process 1 of 3"));
    CHECK(all[1].status == 3);
    CHECK_THAT(all[1].text, Contains("cannot meet process 0"));
  }
  SECTION("a number is there twice") {
    auto const all = in_processes(3, [](int p) {
      setenv("FOAL_RANK", p == 0 ? "0" : "1", 1);
      executor::tcp_session const session(std::chrono::seconds(5));
      return 0;
    });
    CHECK_THAT(all[0].text, Contains("two say that they are process 1"));
    for (ended const& e : all) CHECK(e.status == 3);
  }
  SECTION("one does not come") {
    auto const all = in_processes(2, [](int p) {
      if (p == 1) return 0;
      executor::tcp_session const session(std::chrono::seconds(1));
      return 0;
    });
    CHECK(all[0].status == 3);
    CHECK_THAT(all[0].text, Contains("after 1 s process 1 has not come to process 0 at port "));
  }
  SECTION("process 0 is not there") {
    auto const all = in_processes(2, [](int p) {
      if (p == 0) return 0;
      executor::tcp_session const session(std::chrono::seconds(1));
      return 0;
    });
    CHECK(all[1].status == 3);
    CHECK_THAT(all[1].text, Contains("cannot meet process 0 at 127.0.0.1:") && Contains("Connection refused"));
  }
}

TEST_CASE("strangers at the door are let go, whether they speak or not") {
  check_all_good(in_processes(2, [](int p) {
    transport::socket silent;
    if (p == 1) {
      std::string why;
      auto const at = transport::meeting_address([](char const* name) -> char const* { return std::getenv(name); });
      auto const soon = std::chrono::steady_clock::now() + std::chrono::seconds(20);
      silent = transport::connected(at, soon, why);
      transport::socket const s = transport::connected(at, soon, why);
      if (!s.put("GET / HTTP/1.1\r\nHost: foal\r\n\r\n", 30)) return 5;
    }
    executor::tcp_session const session;
    return p == executor::tcp_processes::place().number ? 0 : 6;
  }));
}

TEST_CASE("the address where processes meet") {
  auto const at = [](std::map<std::string, std::string> const& all) {
    return transport::meeting_address([&](char const* name) -> char const* {
      auto const found = all.find(name);
      return found == all.end() ? nullptr : found->second.c_str();
    });
  };
  CHECK(at({{"FOAL_ADDRESS", "node7:1234"}, {"MASTER_ADDR", "x"}, {"MASTER_PORT", "1"}}).text() == "node7:1234");
  CHECK(at({{"FOAL_ADDRESS", "[::1]:80"}}).host == "::1");
  CHECK(at({{"FOAL_ADDRESS", "[::1]:80"}}).text() == "[::1]:80");
  CHECK(at({{"MASTER_ADDR", "10.0.0.1"}, {"MASTER_PORT", "29500"}}).text() == "10.0.0.1:29500");
  CHECK(at({{"MASTER_ADDR", "a"}, {"MASTER_PORT", "29500"}, {"TORCHELASTIC_USE_AGENT_STORE", "True"}}).port == 29501);
  CHECK_THROWS_WITH(at({}), Contains("neither FOAL_ADDRESS nor MASTER_ADDR and MASTER_PORT are set"));
  CHECK_THROWS_WITH(at({{"MASTER_ADDR", "a"}}), Contains("set FOAL_ADDRESS=host:port for all"));
  CHECK_THROWS_WITH(at({{"FOAL_ADDRESS", "1234"}}), Contains("FOAL_ADDRESS is '1234' and not host:port"));
  CHECK_THROWS_WITH(at({{"FOAL_ADDRESS", "::1"}}), Contains("has more than one colon"));
  CHECK_THROWS_WITH(at({{"FOAL_ADDRESS", "a:b"}}),
                    Contains("the port in FOAL_ADDRESS is 'b' and no whole number from 1 to 65535"));
  CHECK_THROWS_WITH(at({{"FOAL_ADDRESS", "a:70000"}}), Contains("'70000'"));
}
