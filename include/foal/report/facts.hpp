// What is known of a run before it starts: the model, its stages, their delays, the memory, the schedule's utilisation.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <foal/core/category.hpp>
#include <foal/report/json.hpp>
#include <foal/report/number.hpp>
#include <foal/report/table.hpp>

namespace foal::report {

/// Bytes of all workers' arenas by what they are for, and of what is offloaded to host memory. A category of its own for
/// everything that a method adds.
struct byte_facts {
  std::array<long long, static_cast<std::size_t>(categories)> of{};

  constexpr long long& operator[](category c) { return of[static_cast<std::size_t>(c)]; }
  constexpr long long operator[](category c) const { return of[static_cast<std::size_t>(c)]; }

  /// Names and values, in the order in which every table shows them.
  constexpr std::array<std::pair<char const*, long long>, static_cast<std::size_t>(categories)> entries() const {
    std::array<std::pair<char const*, long long>, static_cast<std::size_t>(categories)> all{};
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = {name(static_cast<category>(i)), of[i]};
    return all;
  }

  /// Without what is offloaded: that is other memory.
  constexpr long long total() const {
    long long sum = 0;
    for (long long const bytes : of) sum += bytes;
    return sum - of[static_cast<std::size_t>(category::offloaded)];
  }
};

struct stage_facts {
  std::string layers = {};  ///< names of its layers, in order
  int rank = 0;
  long long parameters = 0;
  long long flops = 0;  ///< of one sample's forward
  double delay = 0;     ///< d, microbatches from F to B (the mean where it varies)
  double tau = 0;       ///< tau_fwd, minibatches
  double lag = 0;       ///< tau_fwd - tau_bkwd, minibatches
  long long saved = 0;  ///< peak number of microbatches whose activations are kept
  long long bytes = 0;  ///< everything that is allocated for the stage alone
};

/// A channel from one process to another.
struct channel_facts {
  std::string what = {};   ///< "activations over wire 2"
  int from = 0, to = 0;    ///< processes
  long long bytes = 0;     ///< of a message
  long long messages = 0;  ///< in a minibatch
};

/// What one of several processes holds.
struct process_facts {
  std::vector<int> ranks = {}, stages = {};
  long long bytes = 0;  ///< of its arenas, without what evaluations and diagnostics copy
};

/// "18 stages on 2 workers: ..." says what a run on fewer workers than ranks means.
inline std::string worker_note(int stages, int ranks, int workers, bool asynchronous) {
  auto const count = [](int n, char const* what) { return shortest(n) + " " + what + (n == 1 ? "" : "s"); };
  std::string const start = count(stages, "stage") + " on " + count(workers, "worker") + ": ";
  if (ranks <= workers) return start + "every rank has a worker of its own";
  std::string const more = "R = " + shortest(ranks) + " > " + shortest(workers);
  if (!asynchronous)
    return start + "synchronous with " + more + " folds the ranks; results are the same on any number of workers";
  bool const vowel = shortest(ranks)[0] == '8' || ranks == 11 || ranks == 18;
  return start + "asynchronous with " + more + " simulates " + (vowel ? "an " : "a ") + shortest(ranks) +
         "-worker machine: its delays and its training, at the speed of " + count(workers, "worker");
}

struct facts {
  std::string model = {}, schedule = {}, device = {};
  bool asynchronous = false;
  int stages = 0, ranks = 0, workers = 0;
  int microbatch_size = 0;  ///< M, samples
  int microbatches = 0;     ///< N, per minibatch
  long long parameters = 0;
  long long flops = 0;     ///< of one sample's forward
  double utilisation = 0;  ///< of the schedule on one worker per rank, 0 to 1
  byte_facts bytes = {};
  std::vector<stage_facts> stage = {};
  std::vector<process_facts> process = {};  ///< where there are several
  std::vector<channel_facts> channel = {};  ///< between them
  std::vector<std::pair<std::string, std::string>> settings =
      {};                                ///< policies and their numbers: {"optimizer", "momentum 0.9"}
  std::string build = {}, machine = {};  ///< what it was compiled with and runs on (report/build.hpp); for people
  std::vector<std::string> notes = {};   ///< one sentence each
  std::vector<std::string> warnings = {};

  /// The stages as a table. Where there are more than `most`, the middle ones are left out, and a row says how many.
  table stage_table(std::size_t most = 24) const {
    table t{{{"stage"},
             {"rank"},
             {"layers", align::left},
             {"parameters"},
             {"FLOP"},
             {"delay"},
             {"tau"},
             {"lag"},
             {"saved"},
             {"bytes"}}};
    std::size_t const head = stage.size() > most ? (most + 1) / 2 : stage.size();
    std::size_t const tail = stage.size() > most ? most / 2 : 0;
    std::size_t const hidden = stage.size() - head - tail;
    for (std::size_t s = 0; s < stage.size(); ++s) {
      if (s == head && hidden > 0) {
        s += hidden;
        std::vector<table_entry> gap(t.columns.size(), "..");
        gap[2] = table_entry(grouped(static_cast<long long>(hidden)) + " more stages");
        t.add(std::move(gap));
        if (s == stage.size()) break;
      }
      stage_facts const& f = stage[s];
      t.add({shortest(s), shortest(f.rank), short_layers(f.layers), grouped(f.parameters),
             with_prefix(static_cast<double>(f.flops), ""), trimmed(f.delay, 2), trimmed(f.tau, 3), trimmed(f.lag, 3),
             shortest(f.saved), report::bytes(f.bytes)});
    }
    return t;
  }

  /// The processes as a table: what each holds, and what it sends and receives in a minibatch.
  table process_table() const {
    table t{{{"process"}, {"ranks", align::left}, {"stages", align::left}, {"memory"}, {"sends"}, {"receives"}}};
    for (std::size_t p = 0; p < process.size(); ++p) {
      long long sent = 0, received = 0;
      for (channel_facts const& c : channel) {
        if (c.from == static_cast<int>(p)) sent += c.bytes * c.messages;
        if (c.to == static_cast<int>(p)) received += c.bytes * c.messages;
      }
      t.add({shortest(p), ranges(process[p].ranks), ranges(process[p].stages), report::bytes(process[p].bytes),
             report::bytes(sent), report::bytes(received)});
    }
    return t;
  }

  /// Aligned plain text of some ten lines and the table of stages.
  std::string text() const {
    table head{{{"", align::left}, {"", align::left}}};
    head.add({"model", model + ", " + counted(stages, "stage") + ", " + grouped(parameters) + " parameters, " +
                           with_prefix(static_cast<double>(flops), "FLOP") + " forward per sample"});
    head.add({"schedule", schedule + (asynchronous ? " (asynchronous), " : " (synchronous), ") + counted(ranks, "rank") +
                              " on " + counted(workers, "worker") + (device.empty() ? "" : ", " + device)});
    head.add({"minibatch", "N = " + shortest(microbatches) + " microbatches of M = " + shortest(microbatch_size) +
                               " samples, " +
                               shortest(static_cast<long long>(microbatches) * static_cast<long long>(microbatch_size)) +
                               " samples an update"});
    head.add({"utilisation", fixed(100 * utilisation, 1) + " % of the schedule's time, one worker per rank"});
    for (auto const& [name, value] : settings) head.add({name, value});
    std::string parts = report::bytes(bytes.total()) + ": ";
    bool first = true, wrapped = false;
    for (auto const& [name, value] : bytes.entries()) {
      if (value == 0 || name == foal::name(category::offloaded)) continue;
      std::string const part = std::string(name) + " " + report::bytes(value);
      if (!first) parts += ", ";
      if (parts.size() + part.size() > 96) {
        head.add({wrapped ? "" : "memory", parts});
        parts.clear();
        wrapped = true;
      }
      parts += part;
      first = false;
    }
    head.add({wrapped ? "" : "memory", first ? report::bytes(0) : parts});
    if (long long const host = bytes[category::offloaded]; host > 0)
      head.add({"host memory", report::bytes(host) + ": saved activations that are offloaded"});
    if (!build.empty()) head.add({"build", build});
    if (!machine.empty()) head.add({"machine", machine});
    std::string out = head.text();
    out.erase(0, out.find('\n', out.find('\n') + 1) + 1);  // this table has no titles
    if (!stage.empty()) out += '\n' + stage_table().text();
    if (!process.empty()) out += '\n' + process_table().text();
    if (!notes.empty() || !warnings.empty()) out += '\n';
    for (auto const& note : notes) out += "note: " + note + '\n';
    for (auto const& warning : warnings) out += "warning: " + warning + '\n';
    return out;
  }

  /// The same as one JSON object, every stage in it.
  void write(json_writer& json) const {
    json.begin_object().member("model", model).member("schedule", schedule).member("device", device);
    json.member("asynchronous", asynchronous).member("stages", stages).member("ranks", ranks).member("workers", workers);
    json.member("microbatch_size", microbatch_size).member("microbatches", microbatches);
    json.member("parameters", parameters).member("flops", flops).member("utilisation", utilisation);
    json.key("settings").begin_object();
    for (auto const& [name, value] : settings) json.member(name, value);
    json.end_object().key("bytes").begin_object();
    for (auto const& [name, value] : bytes.entries()) json.member(name, value);
    json.member("total", bytes.total()).end_object().key("stage").begin_array();
    for (stage_facts const& f : stage) {
      json.begin_object().member("layers", f.layers).member("rank", f.rank).member("parameters", f.parameters);
      json.member("flops", f.flops).member("delay", f.delay).member("tau", f.tau).member("lag", f.lag);
      json.member("saved", f.saved).member("bytes", f.bytes).end_object();
    }
    if (!process.empty()) write_processes(json);
    json.end_array().member("build", build).member("machine", machine).key("notes").begin_array();
    for (auto const& note : notes) json.value(note);
    json.end_array().key("warnings").begin_array();
    for (auto const& warning : warnings) json.value(warning);
    json.end_array().end_object();
  }

  std::string json() const {
    std::string out;
    json_writer writer(out, 2);
    write(writer);
    return out + '\n';
  }

 private:
  /// Behind the stages, whose array is open.
  void write_processes(json_writer& json) const {
    auto const list = [&json](char const* name, std::vector<int> const& of) {
      json.key(name).begin_array();
      for (int const i : of) json.value(i);
      json.end_array();
    };
    json.end_array().key("process").begin_array();
    for (process_facts const& p : process) {
      json.begin_object();
      list("ranks", p.ranks);
      list("stages", p.stages);
      json.member("bytes", p.bytes).end_object();
    }
    json.end_array().key("channel").begin_array();
    for (channel_facts const& c : channel) {
      json.begin_object().member("what", c.what).member("from", c.from).member("to", c.to);
      json.member("bytes", c.bytes).member("messages", c.messages).end_object();
    }
  }

  /// "0 to 2, 5": of numbers that ascend.
  static std::string ranges(std::vector<int> const& of) {
    std::string out;
    for (std::size_t i = 0; i < of.size(); ++i) {
      std::size_t last = i;
      while (last + 1 < of.size() && of[last + 1] == of[last] + 1) ++last;
      out += (out.empty() ? "" : ", ") + shortest(of[i]) + (last > i ? " to " + shortest(of[last]) : "");
      i = last;
    }
    return out;
  }

  static std::string counted(int n, char const* what) { return shortest(n) + " " + what + (n == 1 ? "" : "s"); }

  static std::string short_layers(std::string const& layers) {
    constexpr std::size_t most = 36;  // keeps the table within 120 columns
    return columns_of(layers) <= most ? layers : first_columns(layers, most - 3) + "...";
  }
};

}  // namespace foal::report
