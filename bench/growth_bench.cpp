// How costs grow with the size of a run: compile time and memory, construction, arena, an op, a sample, over stages, ranks,
// microbatches and tokens. growth_bench [--json FILE] [--rounds N] [--svg FILE] [--compiler NAME] [--root FOLDER]
//
// Stages and tokens are types: for each of them a unit is written, compiled (by g++ -O2) and run. Ranks and microbatches are
// numbers of a net of 64 stages that is part of this program. Schedule 1F1B, microbatches of a sample. All times but those
// of ranks that wait are processor times of one thread, the least of the rounds; so beside other work figures hold, though a
// core that is shared gives up to twice of them.
//
// Wanted: nothing grows by more than its size. What does is named with its reason; else the program ends with status 1.
#include <foal/core/atomic_file.hpp>

#include "growth/compiled.hpp"
#include "growth/picture.hpp"
#include "support/outcome.hpp"

namespace {

using namespace bench::growth;

struct wishes {
  std::string svg, compiler = "g++";
  std::filesystem::path root = FOAL_BENCH_ROOT;
};

/// Takes its own options out of the command line.
wishes own_options(int& argc, char** argv) {
  wishes w;
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    std::string const name = argv[i];
    bool const own = i + 1 < argc && (name == "--svg" || name == "--compiler" || name == "--root");
    if (!own)
      argv[kept++] = argv[i];
    else if (name == "--svg")
      w.svg = argv[++i];
    else if (name == "--compiler")
      w.compiler = argv[++i];
    else
      w.root = argv[++i];
  }
  argc = kept;
  return w;
}

/// Collects series by figure and size.
class table {
 public:
  explicit table(bench::outcome& out) : out_(out) {}

  void add(std::string const& figure, char const* unit, std::string const& size, double x, double y) {
    out_.add(figure + ", " + size + " = " + foal::report::shortest(static_cast<long long>(x)), {y, y, y}, unit);
    for (series& s : all_)
      if (s.figure == figure && s.size == size) {
        s.x.push_back(x), s.y.push_back(y);
        return;
      }
    all_.push_back({figure, unit, size, {x}, {y}});
  }
  void add(std::string const& size, double x, cost const& c) {
    add("construction", "ms", size, x, 1e3 * c.construction);
    add("arena", "MB", size, x, 1e-6 * c.arena);
    add("an op", "ns", size, x, 1e9 * c.op);
    add("a sample", "µs", size, x, 1e6 * c.sample);
  }
  /// Why a figure may grow faster than its size.
  void excuse(std::string const& figure, std::string const& size, char const* reason) {
    for (series& s : all_)
      if (s.figure == figure && s.size == size) s.reason = reason;
  }
  /// Judges the exponents over the larger half.
  void judge() {
    for (series const& s : all_) {
      double const p = exponent(s, true);
      std::string const name = "exponent of " + s.figure + " over " + s.size;
      if (s.reason.empty())
        out_.at_most(name, {p, p, p}, "", 1.15);
      else
        out_.add(name + " (" + s.reason + ")", {p, p, p}, "");
    }
  }
  std::vector<series> const& all() const { return all_; }

 private:
  bench::outcome& out_;
  std::vector<series> all_;
};

}  // namespace

int main(int argc, char** argv) {
  return bench::run_benchmark([&] {
    wishes const w = own_options(argc, argv);
    bench::options const options(argc, argv, 3);
    bench::outcome out("growth_bench", options);
    table grown(out);
    std::string const stages = "stages S", ranks = "ranks R", microbatches = "microbatches N", tokens = "tokens T";
    auto const type = [&](std::string const& size, std::string const& net, int x, int n) {
      compiled_cost const c = compiled(w.compiler, w.root, net + "<" + std::to_string(x) + ">", n, options.rounds);
      grown.add("compile time", "s", size, x, c.seconds);
      grown.add("compile memory", "MB", size, x, 1e-6 * c.bytes);
      grown.add(size, x, c.run);
    };
    for (int const s : {4, 32, 256, 1000}) type(stages, "deep", s, 8);
    for (int const t : {32, 128, 512, 2048}) type(tokens, "windows", t, 2);
    for (int r = 1; r <= numbers_stages; r *= 2) {
      grown.add(ranks, r, of_numbers(r, 128, options.rounds));
      grown.add("waiting ranks", "ms", ranks, r, waited_ms(r));
    }
    for (int n = 1; n <= 1024; n *= 2) grown.add(microbatches, n, of_numbers(numbers_stages, n, options.rounds));
    grown.excuse("a sample", tokens, "attention compares every token with every earlier one");
    grown.excuse("an op", tokens, "the same");
    grown.judge();
    if (!w.svg.empty())
      foal::write_file(w.svg,
                       picture(grown.all(), "How costs grow with the size of a run (1F1B, microbatches of one sample)"));
    return out.finish();
  });
}
