// Results as an array of flat rows, the form in which every program writes its table with --json.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <foal/core/atomic_file.hpp>
#include <foal/report/cell.hpp>
#include <foal/report/json.hpp>
#include <foal/report/table.hpp>

namespace foal::report {

/// Named values in the order in which they were set.
class row {
 public:
  row() = default;
  row(std::initializer_list<std::pair<std::string_view, cell>> entries) {
    for (auto const& [name, value] : entries) set(name, value);
  }

  /// Sets a value; a name set before keeps its place and gets the new value.
  row& set(std::string_view name, cell value) {
    for (auto& entry : entries_) {
      if (entry.first == name) {
        entry.second = std::move(value);
        return *this;
      }
    }
    entries_.emplace_back(name, std::move(value));
    return *this;
  }

  /// The value, or null where the row has none of that name.
  cell get(std::string_view name) const {
    for (auto const& entry : entries_) {
      if (entry.first == name) return entry.second;
    }
    return {};
  }

  std::vector<std::pair<std::string, cell>> const& entries() const { return entries_; }

  void write(json_writer& json) const {
    json.begin_object();
    for (auto const& [name, value] : entries_) {
      json.key(name);
      value.write(json);
    }
    json.end_object();
  }

 private:
  std::vector<std::pair<std::string, cell>> entries_;
};

/// rows.add({{"method", "gpipe"}, {"seed", 1}, {"accuracy", 0.98}, {"diverged_at", nullptr}}); rows.write("out.json");
class rows {
 public:
  row& add(row r = {}) { return all_.emplace_back(std::move(r)); }
  std::vector<row> const& all() const { return all_; }

  /// An array of objects, one a line.
  std::string json() const {
    std::string out;
    json_writer json(out, 1);
    json.begin_array();
    for (row const& r : all_) r.write(json);
    json.end_array();
    return out + '\n';
  }

  /// Replaces the file in one step. Throws foal::error with the path and the reason.
  void write(std::string const& path) const { write_file(path, json()); }

  /// A column for every name that occurs, in order of first occurrence; columns of text to the left.
  report::table table() const {
    report::table t;
    std::vector<std::string> names;
    for (row const& r : all_) {
      for (auto const& [name, value] : r.entries()) {
        std::size_t c = 0;
        while (c < names.size() && names[c] != name) ++c;
        if (c == names.size()) names.push_back(name), t.columns.push_back({name, align::left});
        if (value.is_number()) t.columns[c].side = align::right;
      }
    }
    for (row const& r : all_) {
      std::vector<table_entry> entries;
      for (auto const& name : names) entries.emplace_back(r.get(name).text(), r.get(name).number());
      t.add(std::move(entries));
    }
    return t;
  }

 private:
  std::vector<row> all_;
};

}  // namespace foal::report
