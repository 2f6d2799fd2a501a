// Results on disk, and the processes that make them.
#include "results.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <limits>
#include <string_view>

#include <foal/core/config.hpp>
#include <foal/core/file.hpp>
#include <foal/data/lines.hpp>
#include <foal/report/json.hpp>
#include <foal/report/json_lines.hpp>
#include <foal/report/json_reader.hpp>

namespace sweep {

namespace {

std::string processor() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown processor";
}

/// The first bytes of every line of line_of.
constexpr std::string_view beginning = "{\"run\":\"";

/// What line_of wrote. Throws foal::error, with `place`, for anything else.
result parsed(std::string_view line, std::string const& place) {
  foal::report::json_reader json(place, line, "text", "remove the line, or leave it: its run is done again");
  auto const real = [&json](double otherwise) { return json.null() ? otherwise : json.real(); };
  result r;
  bool has_accuracy = false;
  json.object([&](std::string const& name) {
    if (name == "run") {
      r.run = json.string();
    } else if (name == "build") {
      r.build = json.string();
    } else if (name == "test_accuracy") {
      has_accuracy = true;
      r.accuracy.clear();
      json.array([&] { r.accuracy.push_back(real(std::numeric_limits<double>::quiet_NaN())); });
    } else if (name == "diverged_at") {
      double const at = real(-1);
      foal::require(at >= -1 && at <= 9007199254740992.0 && at == std::floor(at), "cannot read ", place,
                    ", because its diverged_at is ", at,
                    " where the number of an update is expected; remove the line, or leave it: its run is done again");
      r.diverged_at = static_cast<long long>(at);
    } else if (name == "max_tau") {
      r.max_tau = real(0);
    } else if (name == "seconds") {
      r.seconds = real(0);
    } else {
      json.pass_over();
    }
  });
  json.end();
  foal::require(!r.run.empty() && has_accuracy, "cannot read ", place,
                ", because it has no run or no test_accuracy; remove the line, or leave it: its run is done again");
  return r;
}

/// A run on its way.
struct child {
  pid_t process = -1;
  int pipe = -1;
  std::size_t number = 0;
  std::string line = {};
};

child start(setting const& s, std::size_t number, network const& n, task const& data) {
  int ends[2];
  foal::require(pipe(ends) == 0, "cannot start a run, because ", std::strerror(errno), "; run fewer --jobs");
  std::fflush(stdout);
  pid_t const parent = getpid(), process = fork();
  foal::require(process >= 0, "cannot start a run, because ", std::strerror(errno), "; run fewer --jobs");
  if (process > 0) {
    close(ends[1]);
    return {process, ends[0], number};
  }
  prctl(PR_SET_PDEATHSIG, SIGTERM);  // a sweep that is killed takes its runs along
  if (getppid() != parent) _exit(1);
  close(ends[0]);
  int status = 1;
  try {
    std::string const line = line_of(s, n.train(s, data), n);
    std::size_t done = 0;
    while (done < line.size()) {
      ssize_t const wrote = write(ends[1], line.data() + done, line.size() - done);
      if (wrote <= 0) break;
      done += static_cast<std::size_t>(wrote);
    }
    status = done == line.size() ? 0 : 1;
  } catch (std::exception const& e) {
    std::fprintf(stderr, "sweep: %s: %s\n", s.name().c_str(), e.what());
  }
  _exit(status);
}

}  // namespace

std::string build() {
  std::string text = foal::sentence("foal ", FOAL_VERSION_MAJOR, ".", FOAL_VERSION_MINOR, ".", FOAL_VERSION_PATCH,
                                    ", compiler ", __VERSION__);
#ifdef __OPTIMIZE__
  text += ", optimised";
#endif
#ifdef __FMA__
  text += ", FMA";
#endif
#ifdef __AVX512F__
  text += ", AVX-512";
#elif defined(__AVX2__)
  text += ", AVX2";
#endif
#ifdef __FAST_MATH__
  text += ", fast math";
#endif
  return text + ", " + processor();
}

std::string line_of(setting const& s, outcome const& o, network const& n) {
  std::string line;
  foal::report::json_writer json(line);
  json.begin_object().member("run", s.name()).member("net", s.net).member("data", s.data).member("method", s.method);
  json.member("seed", s.seed);
  for (std::size_t v = 0; v < value_count; ++v)
    if (s.uses(static_cast<value>(v))) json.member(values[v].name, s.number[v]);
  json.member("stages", n.stages).member("max_tau", o.max_tau);
  auto const list = [&](char const* name, std::vector<double> const& numbers) {
    json.key(name).begin_array();
    for (double const x : numbers) json.value(x);
    json.end_array();
  };
  list("test_accuracy", o.accuracy);
  list("train_loss", o.train_loss);
  json.key("diverged_at");
  if (o.diverged_at >= 0)
    json.value(o.diverged_at);
  else
    json.value(nullptr);
  json.member("divergence", o.divergence).member("seconds", o.seconds).member("build", build()).end_object();
  return line;
}

std::map<std::string, result> read_results(std::string const& path, std::vector<std::string>& words) {
  std::map<std::string, result> all;
  if (foal::what_is(path) == foal::under_name::nothing) return all;
  std::string const bytes = foal::data::read_bytes(path);
  std::string_view text = bytes;
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::string foreign;  // the first line that is none of ours, not even a part of one
  for (std::size_t number = 1; !text.empty(); ++number) {
    std::size_t const end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty()) continue;
    std::string const place = foal::sentence("line ", number, " of ", path);
    try {
      result r = parsed(line, place);
      all[r.run] = std::move(r);
    } catch (foal::error const& e) {
      words.emplace_back(e.what());
      if (foreign.empty() && !line.starts_with(beginning) && !beginning.starts_with(line)) foreign = place;
    }
  }
  foal::require(!all.empty() || foreign.empty(), "cannot go on with ", path, ", because ", foreign,
                " is no result of a sweep, nor is any other; name another --results file");
  return all;
}

void run_all(std::vector<setting> const& all, network const& n, task const& data, int jobs, std::string const& path,
             std::map<std::string, result>& known) {
  std::vector<std::size_t> waiting;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (!known.contains(all[i].name())) waiting.push_back(i);
  std::printf("%zu of %zu runs are in %s, %zu to do\n", all.size() - waiting.size(), all.size(), path.c_str(),
              waiting.size());
  if (waiting.empty()) return;
  foal::report::json_lines log(path, true);

  std::vector<child> children;
  std::size_t next = 0, done = 0, failed = 0;
  while (next < waiting.size() || !children.empty()) {
    while (next < waiting.size() && children.size() < static_cast<std::size_t>(jobs)) {
      children.push_back(start(all[waiting[next]], waiting[next], n, data));
      ++next;
    }
    std::vector<pollfd> fds;
    for (child const& c : children) fds.push_back({c.pipe, POLLIN, 0});
    if (poll(fds.data(), fds.size(), -1) < 0) continue;
    for (std::size_t i = fds.size(); i-- > 0;) {
      if (fds[i].revents == 0) continue;
      child& c = children[i];
      char part[4096];
      ssize_t const got = read(c.pipe, part, sizeof part);
      if (got > 0) {
        c.line.append(part, static_cast<std::size_t>(got));
        continue;
      }
      close(c.pipe);
      int status = 0;
      waitpid(c.process, &status, 0);
      setting const& s = all[c.number];
      ++done;
      if (status == 0 && !c.line.empty() && c.line.back() == '}') {
        log.write_line(c.line);
        result r = parsed(c.line, "what the run wrote");
        std::string const end = r.diverged_at >= 0   ? foal::sentence("diverged at update ", r.diverged_at)
                                : r.accuracy.empty() ? "no epoch"
                                                     : foal::report::fixed(100 * r.accuracy.back(), 2) + " %";
        std::printf("[%zu/%zu] %s: %s, %.1f s\n", done, waiting.size(), s.name().c_str(), end.c_str(), r.seconds);
        known[r.run] = std::move(r);
      } else {
        ++failed;
        std::printf("[%zu/%zu] %s: failed\n", done, waiting.size(), s.name().c_str());
      }
      std::fflush(stdout);
      children.erase(children.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  foal::require(failed == 0, "cannot complete the sweep, because ", failed, " of ", waiting.size(),
                " runs failed; see what they said above, then start the same command again");
}

}  // namespace sweep
