// Runs on disk, and the threads that make them.
#include "results.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <mutex>
#include <set>
#include <string_view>
#include <thread>

#include <foal/core/error.hpp>
#include <foal/core/file.hpp>
#include <foal/data/lines.hpp>
#include <foal/report/build.hpp>
#include <foal/report/json_lines.hpp>
#include <foal/report/json_reader.hpp>
#include <foal/report/number.hpp>
#include <foal/report/progress.hpp>

namespace delay_lab {

namespace {

/// Stands for a loss that is no number.
constexpr double lost = 1e9;

void write_run(foal::report::json_lines& log, network const& n, setting const& s, outcome const& o) {
  log.write([&](foal::report::json_writer& json) {
    json.begin_object().member("run", key_of(n, s)).member("net", n.name).member("method", s.how->name);
    json.member("profile", s.profile.name).member("rate", s.rate).member("seed", s.seed).member("updates", s.updates);
    json.member("every", o.every).member("diverged_at", o.diverged_at).member("max_tau", o.max_tau);
    json.member("bytes_relative", o.bytes_relative);
    auto const list = [&](char const* name, std::vector<double> const& numbers) {
      json.key(name).begin_array();
      for (double const x : numbers) json.value(std::isfinite(x) ? x : lost);
      json.end_array();
    };
    list("loss", o.loss);
    list("average", o.average);
    list("tail", o.tail);
    json.member("build", foal::report::build_of_this_file()).member("machine", foal::report::this_machine()).end_object();
  });
}

void read_run(std::string_view line, std::string const& place, outcomes& to) {
  foal::report::json_reader json(place, line, "text", "remove the line, or leave it: its run is done again");
  std::string run;
  outcome o;
  json.object([&](std::string const& name) {
    auto const list = [&](std::vector<double>& numbers) { json.array([&] { numbers.push_back(json.real()); }); };
    if (name == "run")
      run = json.string();
    else if (name == "every")
      o.every = static_cast<int>(json.real());
    else if (name == "diverged_at")
      o.diverged_at = static_cast<long long>(json.real());
    else if (name == "max_tau")
      o.max_tau = json.real();
    else if (name == "bytes_relative")
      o.bytes_relative = json.real();
    else if (name == "loss")
      list(o.loss);
    else if (name == "average")
      list(o.average);
    else if (name == "tail")
      list(o.tail);
    else
      json.pass_over();
  });
  json.end();
  foal::require(!run.empty() && o.every >= 1 && o.average.size() == o.loss.size() && o.tail.size() == o.loss.size(),
                "cannot read ", place, ", because it has ",
                run.empty() ? "no run" : "not the losses of the weights, their average and their tail",
                "; remove the line, or leave it: its run is done again");
  to[run] = std::move(o);
}

}  // namespace

std::string key_of(network const& n, setting const& s) {
  return foal::sentence(n.name, " ", s.how->name, " ", s.profile.name, " rate ", foal::report::shortest(s.rate), " seed ",
                        s.seed, " updates ", s.updates, s.enlarged > 1 ? foal::sentence(" enlarged ", s.enlarged) : "");
}

outcomes read_outcomes(std::string const& path, std::vector<std::string>& words) {
  outcomes all;
  if (foal::what_is(path) == foal::under_name::nothing) return all;
  std::string const bytes = foal::data::read_bytes(path);
  std::string_view text = bytes;
  for (std::size_t number = 1; !text.empty(); ++number) {
    std::size_t const end = text.find('\n');
    std::string_view const line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty()) continue;
    try {
      read_run(line, foal::sentence("line ", number, " of ", path), all);
    } catch (foal::error const& e) {
      words.emplace_back(e.what());
    }
  }
  foal::require(!all.empty() || words.size() < 2, "cannot go on with ", path,
                ", because none of its lines is a run of the laboratory; name another --results file");
  return all;
}

void run_all(network const& n, std::vector<setting> const& all, int jobs, std::string const& path, outcomes& known,
             std::string const& label) {
  std::vector<setting const*> waiting;
  std::set<std::string> seen;
  for (setting const& s : all)
    if (std::string key = key_of(n, s); !known.contains(key) && seen.insert(std::move(key)).second) waiting.push_back(&s);
  if (waiting.empty()) return;
  foal::report::json_lines log(path, true);
  foal::report::progress shown(static_cast<long long>(waiting.size()), {.label = label, .unit = "runs"});
  std::mutex guard;
  std::atomic<std::size_t> next{0};
  std::exception_ptr failed;
  long long done = 0;
  auto const work = [&] {
    for (std::size_t i; (i = next.fetch_add(1)) < waiting.size();) {
      setting const& s = *waiting[i];
      try {
        outcome o = n.train(s);
        std::lock_guard const lock(guard);
        write_run(log, n, s, o);
        known[key_of(n, s)] = std::move(o);
        shown.update(++done, foal::sentence(s.how->name, ", ", s.profile.name));
      } catch (...) {
        std::lock_guard const lock(guard);
        failed = std::current_exception();
        next = waiting.size();
      }
    }
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < std::min(jobs, static_cast<int>(waiting.size())); ++t) threads.emplace_back(work);
  for (auto& t : threads) t.join();
  shown.finish();
  if (failed) std::rethrow_exception(failed);
}

}  // namespace delay_lab
