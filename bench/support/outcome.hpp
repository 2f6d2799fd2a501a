// What a benchmark says: a line per figure with its spread and its bound, and the same rows as JSON.
#pragma once

#include <cstdio>
#include <cstring>
#include <string>

#include <foal/core/error.hpp>
#include <foal/report/rows.hpp>

#include "machine.hpp"
#include "paired.hpp"

namespace bench {

/// Command line of every benchmark: [--json FILE] [--rounds N].
struct options {
  std::string json;
  int rounds;

  options(int argc, char** argv, int default_rounds) : rounds(default_rounds) {
    for (int i = 1; i < argc; ++i) {
      bool const has_value = i + 1 < argc;
      if (std::strcmp(argv[i], "--json") == 0 && has_value)
        json = argv[++i];
      else if (std::strcmp(argv[i], "--rounds") == 0 && has_value)
        rounds = std::atoi(argv[++i]);
      else
        throw foal::error(foal::sentence("cannot read the argument ", argv[i],
                                         ", because it is none of --json FILE and --rounds N "
                                         "with its value; leave it out"));
    }
    foal::require(rounds >= 1, "cannot measure ", rounds, " rounds; give --rounds of at least 1");
  }
};

/// Collects figures. finish() writes them and gives the exit status: 1 if a bound is missed.
class outcome {
 public:
  /// device: what it measured on, beside the machine.
  outcome(char const* program, options const& from, std::string const& device = "")
      : program_(program), options_(from), machine_(device.empty() ? machine() : device + "; " + machine()) {
    std::printf("%s on %s\n", program, machine_.c_str());
  }

  /// A figure for information.
  void add(std::string const& figure, spread s, char const* unit) { record(figure, s, unit, nullptr, 0, true); }
  void at_most(std::string const& figure, spread s, char const* unit, double bound) {
    record(figure, s, unit, "<=", bound, s.median <= bound);
  }
  void at_least(std::string const& figure, spread s, char const* unit, double bound) {
    record(figure, s, unit, ">=", bound, s.median >= bound);
  }

  int finish() const {
    if (!options_.json.empty()) rows_.write(options_.json);
    return missed_ > 0 ? 1 : 0;
  }

 private:
  void record(std::string const& figure, spread s, char const* unit, char const* relation, double bound, bool holds) {
    std::printf("  %-58s %10.4g %-10s quartiles %.4g .. %.4g", figure.c_str(), s.median, unit, s.low, s.high);
    if (relation != nullptr) std::printf("   wanted %s %.4g: %s", relation, bound, holds ? "yes" : "NO");
    std::printf("\n");
    std::fflush(stdout);
    if (!holds) ++missed_;
    foal::report::row row{{"program", program_}, {"figure", figure},      {"unit", unit},
                          {"median", s.median},  {"quartile_low", s.low}, {"quartile_high", s.high}};
    row.set("bound", relation == nullptr ? foal::report::cell(nullptr) : foal::report::cell(bound));
    row.set("holds", relation == nullptr ? foal::report::cell(nullptr) : foal::report::cell(holds));
    row.set("rounds", options_.rounds).set("machine", machine_);
    rows_.add(std::move(row));
  }

  std::string program_;
  options options_;
  std::string machine_;
  foal::report::rows rows_;
  int missed_ = 0;
};

/// Calls the benchmark; an error becomes a sentence on stderr and status 2.
template <class F>
int run_benchmark(F f) {
  try {
    return f();
  } catch (std::exception const& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  }
}

}  // namespace bench
