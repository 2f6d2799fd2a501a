// Progress of a run with its rate and the time left: a line that redraws itself on a terminal, plain lines in a file.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <foal/core/error.hpp>
#include <foal/report/escape.hpp>
#include <foal/report/number.hpp>
#include <foal/report/terminal.hpp>

namespace foal::report {

struct progress_options {
  std::string label = {};  ///< in front of every line
  std::string unit = "samples";
  bool quiet = false;  ///< prints nothing at all
  std::FILE* out = stderr;
  double every = 5;                    ///< seconds between plain lines
  std::optional<bool> terminal = {};   ///< by default: out is a terminal that can redraw
  std::optional<int> columns = {};     ///< by default: what the terminal says
  std::function<double()> clock = {};  ///< seconds; by default the steady clock
};

/// progress p(samples, {.label = "t1t2"}); p.update(done, "loss 0.31"); ... p.finish();
/// For one thread. Costs a reading of the clock per update and prints at most ten times a second.
class progress {
 public:
  /// `total` units of work, of which `done` were done before (by the run that this one resumes).
  explicit progress(long long total, progress_options options = {}, long long done = 0)
      : options_(std::move(options)), total_(total), done_(done), first_(done) {
    require_number(options_.every >= 0, "progress_options", "every", options_.every, "0 or more");
    terminal_ = options_.terminal.value_or(redraws(options_.out));
    colour_ = terminal_ && !is_set("NO_COLOR");
    start_ = shown_ = now();
    marks_.push_back({start_, done_});
  }
  progress(progress const&) = delete;
  progress& operator=(progress const&) = delete;
  ~progress() {
    if (width_ > 0) print("\n");  // what is printed after an exception starts on a line of its own
  }

  /// `done` units are done in all. `detail` ends the line, which a terminal shows `at_once` or soon, a file now and then.
  void update(long long done, std::string_view detail = {}, bool at_once = false) {
    double const time = now();
    done_ = done;
    if (time - marks_.back().time >= 0.5) {
      marks_.push_back({time, done});
      if (marks_.size() > 20) marks_.pop_front();  // the rate is that of the last ten seconds, or of the last updates
    }
    if (!(at_once && terminal_) && time - shown_ < (terminal_ ? 0.1 : options_.every)) return;
    shown_ = time;
    show(time, detail);
  }

  /// Prints a line of its own, above the redrawn one.
  void line(std::string_view text) {
    if (options_.quiet) return;
    clear();
    print(std::string(text) + '\n');
  }

  /// The last line, with the time of the whole and its mean rate. Prints once.
  void finish(std::string_view detail = {}) {
    if (finished_ || options_.quiet) return;
    finished_ = true;
    double const time = now() - start_;
    std::string text = label() + count() + " in " + duration(time);
    if (time > 0) text += ", " + rate_text(static_cast<double>(done_ - first_) / time);
    if (!detail.empty()) text += ", " + std::string(detail);
    clear();
    print(text + '\n');
  }

 private:
  struct mark {
    double time;
    long long done;
  };

  static bool is_set(char const* name) {
    char const* const value = std::getenv(name);
    return value != nullptr && *value != '\0';
  }

  static bool redraws(std::FILE* out) {
    char const* const kind = std::getenv("TERM");
    return isatty(fileno(out)) == 1 && kind != nullptr && std::string_view(kind) != "dumb";
  }

  double now() const {
    if (options_.clock) return options_.clock();
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }

  std::size_t columns() const {
    if (options_.columns) return static_cast<std::size_t>(std::max(*options_.columns, 1));
    int const known = terminal_columns(fileno(options_.out));
    return static_cast<std::size_t>(known > 0 ? known : 80);
  }

  std::string label() const { return options_.label.empty() ? "" : options_.label + "  "; }
  std::string count() const { return grouped(done_) + "/" + grouped(total_) + " " + options_.unit; }
  std::string rate_text(double rate) const { return significant(rate, 4) + " " + options_.unit + "/s"; }

  void show(double time, std::string_view detail) {
    if (options_.quiet) return;
    double const share = total_ > 0 ? std::clamp(static_cast<double>(done_) / static_cast<double>(total_), 0.0, 1.0) : 0.0;
    mark const& from = marks_.front();
    double const rate = time > from.time ? static_cast<double>(done_ - from.done) / (time - from.time) : 0.0;
    std::string const percent = shortest(static_cast<int>(100 * share));
    std::string text = label() + std::string(3 - percent.size(), ' ') + percent + " %  " + count();
    if (rate > 0) text += "  " + significant(rate, 4) + "/s  left " + duration(static_cast<double>(total_ - done_) / rate);
    if (!detail.empty()) text += "  " + std::string(detail);
    if (terminal_)
      redraw(share, text);
    else
      print(text + '\n');
  }

  void redraw(double share, std::string const& text) {
    constexpr std::size_t bar = 20;
    std::size_t const room = columns() - 1;  // a character in the last column would make some terminals wrap
    // the words matter more than the bar; once it had to go it stays away, so that the line does not jump
    bar_ = bar_ && columns_of(text) + bar + 3 <= room;
    auto const full = static_cast<std::size_t>(share * bar);
    std::string const rest = first_columns(text, room);
    std::size_t const width = columns_of(rest) + (bar_ ? bar + 3 : 0);
    std::string out = "\r";
    if (bar_) {
      out += std::string("[").append(colour_ ? "\x1b[32m" : "") + std::string(full, '#') + (colour_ ? "\x1b[0m" : "") +
             std::string(bar - full, '-') + "] ";
    }
    out += rest;
    if (width < width_) out.append(width_ - width, ' ');  // what a longer line left behind
    print(out);
    width_ = width;
  }

  void clear() {
    if (width_ > 0) print(std::string("\r").append(width_, ' ') + "\r");
    width_ = 0;
  }

  // A terminal that is gone must not end the training: what cannot be printed is left out.
  void print(std::string_view text) const {
    std::fwrite(text.data(), 1, text.size(), options_.out);
    std::fflush(options_.out);
  }

  progress_options options_;
  long long total_, done_, first_;
  bool terminal_ = false, colour_ = false, finished_ = false, bar_ = true;
  double start_ = 0, shown_ = 0;
  std::size_t width_ = 0;  // columns of the redrawn line that is on the terminal
  std::deque<mark> marks_;
};

}  // namespace foal::report
