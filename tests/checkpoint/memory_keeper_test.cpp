// Copies of parts in the memory of machines: what one machine has lost another one sends, and a fit goes on to the same
// bits; what nobody has comes from the disk.
#include <foal/checkpoint/memory_keeper.hpp>

#include <foal/checkpoint.hpp>
#include <foal/layer/batch_norm.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>
#include <foal/trainer/gathered.hpp>

#include <catch2/catch.hpp>

#include "tests/support/checkpoints.hpp"
#include "tests/support/nets.hpp"
#include "tests/support/rooms.hpp"

namespace {

using namespace foal;
using Catch::Contains;
using foal_test::listed;
using foal_test::temporary_directory;
using test::rooms;

struct remembered : stages<input<test::mlp_inputs>, linear<4>, batch_norm, linear<4>, foal::tanh, linear<3>> {};
using remembering =
    trainer<remembered, loss::cross_entropy, schedule::pipemare, executor::processes_over<rooms>, optim::adam>;

test::first_samples const remembered_samples{48};  // 6 updates an epoch

struct remembered_fit {
  std::vector<std::vector<float>> weights;
  std::vector<std::string> notes;
};

/// 18 updates, in each process until `until` of them at most; options(process, checkpoints).
template <class Options>
remembered_fit fit_until(int processes, long long until, Options const& options) {
  remembered_fit out;
  out.weights.resize(static_cast<std::size_t>(processes));
  out.notes.resize(out.weights.size());
  rooms::with_processes(processes, [&](int number) {
    auto const p = static_cast<std::size_t>(number);
    remembering t({.microbatch_size = 4, .microbatches = 2, .seed = 3, .lr = {.rate = 0.02}});
    remembering::fit_options o{.epochs = 3, .quiet = true};
    checkpoints how;
    options(number, how);
    o.checkpoint = how;
    o.hooks.watch = {&until, [](void* self, executor::bound_stage const& b) {
                       if (b.number == 0 && b.updates == *static_cast<long long*>(self))
                         throw error("this is the end of it");
                     }};
    try {
      fit_report const r = t.fit(remembered_samples, o);
      for (std::string const& note : r.notes) out.notes[p] += note + "\n";
      gathered const net(t);
      for (std::size_t s = 0; s < t.tables().stages.size(); ++s)
        for (std::size_t i = 0; i < t.tables().stages[s].parameters.size(); ++i)
          for (float const x : net.weights(static_cast<int>(s), i)) out.weights[p].push_back(x);
    } catch (error const& e) {
      out.notes[p] = e.what();
    }
  });
  for (auto const& one : out.weights) CHECK(one == out.weights.front());
  return out;
}

remembered_fit uninterrupted_fit() {
  temporary_directory const disk;
  return fit_until(1, -1, [&](int, checkpoints& how) { how.directory = disk / "run"; });
}

/// A machine of one process each, and what they share.
struct machines {
  temporary_directory disk, memory;
  std::string of(int process) const {
    std::string const own = memory / ("machine-" + std::to_string(process));
    std::filesystem::create_directory(own);
    return own;
  }
  auto options(bool resume) const {
    return [this, resume](int process, checkpoints& how) {
      how = {.directory = disk / "run", .every_updates = 8, .resume = resume, .memory_every = 2, .memory = of(process)};
    };
  }
  /// As a run that ends in its midst leaves them.
  void cut_off(int processes) const {
    auto const f = fit_until(processes, 14, options(true));
    for (std::string const& note : f.notes) REQUIRE_THAT(note, Contains("this is the end of it"));
  }
};

}  // namespace

TEST_CASE("what the machine of one process had in its memory comes from the next one's, to the same bits") {
  auto const whole = uninterrupted_fit();
  for (int const processes : {4, 2}) {
    machines const m;
    m.cut_off(processes);
    std::string const of_one = m.of(1) + "/" + listed(m.of(1)).at(0) + "/process-001-of-00" + std::to_string(processes);
    auto const steps = listed(of_one);
    REQUIRE(steps.size() == 2);  // the newest two
    CHECK(listed(of_one + "/" + steps[1]).size() == 6);
    std::filesystem::remove_all(m.of(1));
    for (int const then : {processes, processes == 4 ? 2 : 4}) {
      INFO(processes << " processes, then " << then);
      machines other;
      for (auto const& [from, to] : {std::pair(&m.disk, &other.disk), {&m.memory, &other.memory}})
        std::filesystem::copy(from->path(), to->path(),
                              std::filesystem::copy_options::recursive | std::filesystem::copy_options::overwrite_existing);
      // A directory that was copied is another one for its copies in memory: they follow it.
      std::string const identity = checkpoint::memory_folder::identity_of(other.disk / "run");
      for (int p = 0; p < 4; ++p)
        for (std::string const& name : listed(other.of(p)))
          std::filesystem::rename(other.of(p) + "/" + name, other.of(p) + "/foal-" + identity);
      if (then < processes)  // whose processes are fewer has what the others had
        for (int p = 2; p < processes; ++p)
          std::filesystem::copy(other.of(p), other.of(1), std::filesystem::copy_options::recursive);
      auto const f = fit_until(then, -1, other.options(true));
      CHECK(f.weights.front() == whole.weights.front());
      for (std::string const& notes : f.notes)
        CHECK_THAT(notes, Contains("process 1's part of update 12 was lost with it, and comes from process " +
                                   std::to_string(2 % processes) + "'s memory") &&
                              Contains("going on from the copies in memory of update 12"));
      for (int p = 0; p < then; ++p) CHECK(listed(other.of(p)).empty());  // it has ended well
    }
  }
}

TEST_CASE("what two neighbours have lost comes from the disk, as where copies are damaged or of a directory made anew") {
  auto const whole = uninterrupted_fit();
  auto const resumed = [&](machines const& m, std::string const& why) {
    auto const f = fit_until(4, -1, m.options(true));
    CHECK(f.weights.front() == whole.weights.front());
    for (std::string const& notes : f.notes) CHECK_THAT(notes, Contains(why));
    for (int p = 0; p < 4; ++p) CHECK(listed(m.of(p)).empty());
  };
  {
    machines const m;
    m.cut_off(4);
    std::filesystem::remove_all(m.of(1));
    std::filesystem::remove_all(m.of(2));
    resumed(m, "going on from " + m.disk.path() + "/run/step-000000000008");
  }
  {
    machines const m;
    m.cut_off(4);
    for (char const* const step : {"/step-000000000012", "/step-000000000010"}) {
      std::string const file = m.of(3) + "/" + listed(m.of(3)).at(0) + "/process-003-of-004" + step + "/run-003.safetensors";
      auto bytes = foal_test::read(file);
      bytes[bytes.size() - 3] ^= 4U;
      foal_test::write(file, bytes);
    }
    resumed(m, "the digest of its tensor");
  }
  {
    machines const m;
    m.cut_off(4);
    std::filesystem::remove_all(m.disk / "run");
    resumed(m, "the fit begins anew");
  }
}

TEST_CASE("processes of one machine find each other's copies, and a disk that is newer is taken") {
  auto const whole = uninterrupted_fit();
  temporary_directory const disk, memory;
  auto const options = [&](int, checkpoints& how) {
    how = {.directory = disk / "run", .every_updates = 8, .resume = true, .memory_every = 3, .memory = memory.path()};
  };
  fit_until(3, 11, options);
  auto f = fit_until(2, 17, options);
  f = fit_until(1, -1, options);
  CHECK(f.weights.front() == whole.weights.front());
  CHECK_THAT(f.notes.front(), Contains("going on from " + disk.path() + "/run/step-000000000016"));
  CHECK(listed(memory.path()).empty());
}
