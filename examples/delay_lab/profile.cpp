// Delays of schedules.
#include "profile.hpp"

#include <charconv>

#include <foal/core/error.hpp>
#include <foal/schedule/cost/analysis.hpp>
#include <foal/schedule/generate.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/paci.hpp>
#include <foal/schedule/rules/pipemare.hpp>

namespace delay_lab {

namespace {

constexpr int most_ranks = 256;

template <class Schedule>
std::vector<int> analysed(int stages, int ranks, int microbatches) {
  foal::schedule::program program =
      foal::schedule::generate(Schedule{}, foal::schedule::extent_of(Schedule{}, stages, ranks, microbatches));
  std::vector<int> all;
  for (auto const& s : foal::schedule::analyse(program.view()).stage) all.push_back(static_cast<int>(s.delay));
  return all;
}

/// The whole of a text as a number from 1 up; 0 where it is none.
int number_in(std::string const& text) {
  int n = 0;
  auto const [end, code] = std::from_chars(text.data(), text.data() + text.size(), n);
  return code == std::errc{} && end == text.data() + text.size() && n >= 1 ? n : 0;
}

}  // namespace

profile profile_named(std::string const& name) {
  profile p{.name = name};
  if (name == "none") return p;
  std::size_t const dash = name.find('-'), cross = name.find('x', dash == std::string::npos ? 0 : dash);
  p.schedule = name.substr(0, dash);
  p.microbatches = p.schedule == "1f1b" ? 1 : 8;
  if (dash != std::string::npos) p.ranks = number_in(name.substr(dash + 1, cross - dash - 1));
  if (cross != std::string::npos) p.microbatches = number_in(name.substr(cross + 1));
  bool const known = p.schedule == "1f1b" || p.schedule == "pipemare" || p.schedule == "paci";
  foal::require(known && dash != std::string::npos && p.ranks >= 2 && p.ranks <= most_ranks && p.microbatches >= 1 &&
                    p.microbatches <= 1024,
                "cannot use the profile '", name, "', because it is no schedule on a number of ranks from 2 to ", most_ranks,
                "; write none, 1f1b-32, pipemare-32, paci-8 or, with 16 microbatches an update, pipemare-32x16");
  return p;
}

std::vector<int> delays_of(profile const& p, int stages) {
  if (!p.late()) return std::vector<int>(static_cast<std::size_t>(stages), 0);
  int const of = std::max(stages, p.ranks);
  std::vector<int> all = p.schedule == "1f1b"       ? analysed<foal::schedule::async_1f1b>(of, p.ranks, p.microbatches)
                         : p.schedule == "pipemare" ? analysed<foal::schedule::pipemare>(of, p.ranks, p.microbatches)
                                                    : analysed<foal::schedule::paci>(of, p.ranks, p.microbatches);
  if (stages < p.ranks) all.assign(static_cast<std::size_t>(stages), all.front());
  return all;
}

}  // namespace delay_lab
