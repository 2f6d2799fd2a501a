// The arguments of a program: each number has a range, each choice a list, each file is tried before the work begins, and
// --help shows what holds where nothing is said.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/core/writable.hpp>
#include <foal/data/file.hpp>
#include <foal/report/directory.hpp>

#include "range.hpp"

namespace options {

/// Options of a program. Values that cannot be are refused with a sentence that names the option and what was written.
class arguments {
 public:
  explicit arguments(std::string description) : app_(std::move(description)) {}

  /// Whole numbers. A value of `to` that is out of range stands for a choice that `help` explains, and is not shown.
  template <class To>
  CLI::Option* whole(std::string const& names, To& to, long long least, long long largest, std::string const& help) {
    auto const expected = foal::sentence("a whole number from ", least, " to ", largest);
    auto* const option =
        app_.add_option(names, to, help)->type_name("INT")->transform(checked(names, [=](std::string& text) {
          long long v = 0;
          if (!read(text, v) || v < least || v > largest) return expected;
          text = std::to_string(v);  // without zeros in front, which would make it octal
          return std::string();
        }));
    return shown(option, to, [&](auto v) { return v >= least && v <= largest; });
  }

  /// Finite numbers. The rest as above.
  template <class To>
  CLI::Option* number(std::string const& names, To& to, range takes, std::string const& help) {
    auto* const option = app_.add_option(names, to, help)->type_name("NUMBER")->check(checked(names, [=](std::string& text) {
      double v = 0;
      return read(text, v) && takes.has(v) ? std::string() : takes.text();
    }));
    return shown(option, to, [&](auto v) { return takes.has(v); });
  }

  CLI::Option* seed(std::uint64_t& to, std::string const& help) {
    auto* const option =
        app_.add_option("--seed", to, help)->type_name("INT")->transform(checked("--seed", [](std::string& text) {
          std::uint64_t v = 0;
          if (!read(text, v)) return foal::sentence("a whole number from 0 to ", std::numeric_limits<std::uint64_t>::max());
          text = std::to_string(v);
          return std::string();
        }));
    return option->capture_default_str();
  }

  /// One of `known`, or a list of them.
  template <class To>
  CLI::Option* choice(std::string const& names, To& to, std::vector<std::string> const& known, std::string const& help) {
    std::string all;
    for (std::string const& k : known) all += (all.empty() ? "" : ", ") + k;
    auto* const option =
        app_.add_option(names, to, (help.empty() ? "" : help + ": ") + all)
            ->type_name("NAME")
            ->check(checked(names, [known, all](std::string& text) {
              return std::find(known.begin(), known.end(), text) != known.end() ? std::string() : "one of " + all;
            }));
    return shown(option, to, [](auto const& v) { return !v.empty(); });
  }

  /// A choice among methods; "pipemare" is another name of "t1t2t3".
  template <class To>
  CLI::Option* method(std::string const& names, To& to, std::vector<std::string> known, std::string const& help) {
    known.push_back("pipemare");
    return choice(names, to, known, help)
        ->transform(CLI::Validator(
            [](std::string& text) {
              if (text == "pipemare") text = "t1t2t3";
              return std::string();
            },
            ""));
  }

  CLI::Option* text(std::string const& names, std::string& to, std::string const& help) {
    auto* const option = app_.add_option(names, to, help);
    return to.empty() ? option : option->default_str(to == "\n" ? "\\n" : to);
  }

  CLI::Option* flag(std::string const& names, bool& to, std::string const& help) { return app_.add_flag(names, to, help); }

  /// A file that is written when the work is done: tried now.
  CLI::Option* output(std::string const& names, std::string& to, std::string const& help) {
    return file(names, to, help, [](std::string const& path) { foal::require_writable(path); });
  }
  /// A folder for files of that kind: made now.
  CLI::Option* folder(std::string const& names, std::string& to, std::string const& help) {
    return file(names, to, help, [](std::string const& path) {
      foal::report::make_directory(path);
      foal::require_writable(path + "/trial");
    });
  }
  /// A file that is read, perhaps after hours: opened now.
  CLI::Option* input(std::string const& names, std::string& to, std::string const& help) {
    return file(names, to, help, [](std::string const& path) { foal::data::file const trial(path); });
  }

  /// What an option was called before: taken still, not shown.
  static void hidden(CLI::Option* option) { option->group(""); }

  /// False: --help was asked for and is printed. Throws foal::error for what cannot be.
  bool parse(int argc, char const* const* argv) {
    try {
      app_.parse(argc, argv);
    } catch (CLI::ParseError const& e) {
      if (e.get_exit_code() == 0) return app_.exit(e) != 0;
      throw foal::error(
          foal::sentence("cannot begin, because of the arguments: ", e.what(), "; --help lists those that there are"));
    }
    for (auto const& f : files_)
      if (f.option->count() > 0 || !f.path->empty()) f.check(*f.path);
    return true;
  }

 private:
  struct tried {
    CLI::Option* option;
    std::string const* path;
    std::function<void(std::string const&)> check;
  };

  /// All of the text is a number.
  template <class Number>
  static bool read(std::string const& text, Number& v) {
    auto const [end, code] = std::from_chars(text.data(), text.data() + text.size(), v);
    return code == std::errc{} && end == text.data() + text.size();
  }

  /// lacks(text): what is expected instead, empty if nothing.
  template <class Lacks>
  static CLI::Validator checked(std::string const& names, Lacks lacks) {
    std::string const name = names.substr(0, names.find(','));
    return {[name, lacks](std::string& text) {
              std::string const given = text, expected = lacks(text);
              foal::require(expected.empty(), "cannot use ", name, " ", given.empty() ? "''" : given, ", because it takes ",
                            expected, "; change it");
              return std::string();
            },
            ""};
  }

  template <class To, class Shows>
  static CLI::Option* shown(CLI::Option* option, To const& to, Shows shows) {
    bool all = true;
    if constexpr (requires { to.begin() == to.end(); } && !std::is_same_v<To, std::string>) {
      option->delimiter(',');
      for (auto const& v : to) all = all && shows(v);
      all = all && !to.empty();
    } else {
      all = shows(to);
    }
    return all ? option->capture_default_str() : option;
  }

  CLI::Option* file(std::string const& names, std::string& to, std::string const& help,
                    std::function<void(std::string const&)> check) {
    auto* const option = text(names, to, help)->type_name("FILE");
    files_.push_back({option, &to, std::move(check)});
    return option;
  }

  CLI::App app_;
  std::vector<tried> files_;
};

}  // namespace options
