#include <foal/report/build.hpp>
#include <foal/report/facts.hpp>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "sample.hpp"

namespace report = foal::report;

TEST_CASE("facts say what a run is before it starts", "[report]") {
  std::string const text = sample::facts(5).text();
  CHECK(text.find("5 stages, 17,520 parameters") != std::string::npos);
  CHECK(text.find("N = 4 microbatches of M = 8 samples, 32 samples an update") != std::string::npos);
  CHECK(text.find("simulates a 5-worker machine") != std::string::npos);
  CHECK(text.find("\nwarning: T1 ends") != std::string::npos);
  CHECK(text.find("stash") == std::string::npos);  // nothing is stashed
  std::istringstream lines(text);
  std::string line;
  while (std::getline(lines, line)) {
    bool const sentence = line.find("note:") == 0 || line.find("warning:") == 0;
    CHECK((sentence || report::columns_of(line) <= 120));
  }
}

TEST_CASE("a long table of stages is cut in the middle", "[report]") {
  CHECK(sample::facts(24).stage_table().rows.size() == 24);
  report::table const t = sample::facts(107).stage_table();
  REQUIRE(t.rows.size() == 25);
  CHECK(t.rows[11][0].text == "11");
  CHECK(t.rows[12][2].text == "83 more stages");
  CHECK(t.rows[13][0].text == "95");
  CHECK(t.rows[24][0].text == "106");
  CHECK(sample::facts(3).stage_table(1).rows.size() == 2);
}

TEST_CASE("facts as JSON", "[report]") {
  report::facts const f = sample::facts(107);
  auto const json = nlohmann::json::parse(f.json());
  CHECK(json["stages"] == 107);
  CHECK(json["stage"].size() == 107);
  CHECK(json["stage"][106]["delay"] == 1.0);
  CHECK(json["stage"][0]["tau"] == 53.25);
  CHECK(json["bytes"]["delta"] == 690'000);
  CHECK(json["settings"]["optimizer"] == "momentum 0.9, weight decay 5e-4");
  CHECK(json["notes"].size() == 1);
  long long sum = 0;
  for (auto const& [name, value] : json["bytes"].items()) sum += name == "total" ? 0 : value.get<long long>();
  CHECK(sum == json["bytes"]["total"].get<long long>());
  CHECK(sum == f.bytes.total());
}

TEST_CASE("facts name build and machine where they are known", "[report]") {
  report::facts f = sample::facts(5);
  std::string const without = f.text();
  f.build = report::build_of_this_file();
  f.machine = "a \x1b[31m processor, 2 cores";
  CHECK(f.text().find("\nbuild          " + f.build) != std::string::npos);
  CHECK(f.text().find("\nmachine        a \\x1b[31m processor, 2 cores\n") != std::string::npos);
  CHECK(without.find("\nmachine") == std::string::npos);
  auto const json = nlohmann::json::parse(f.json());
  CHECK(json["build"] == f.build);
  CHECK(json["machine"] == f.machine);
}

TEST_CASE("what fewer workers than ranks mean", "[report]") {
  CHECK(report::worker_note(18, 18, 2, true) ==
        "18 stages on 2 workers: asynchronous with R = 18 > 2 simulates an 18-worker machine: its delays and its training, "
        "at the speed of 2 workers");
  CHECK(report::worker_note(4, 4, 1, true).find("simulates a 4-worker machine") != std::string::npos);
  CHECK(report::worker_note(4, 4, 1, false).find("same on any number of workers") != std::string::npos);
  CHECK(report::worker_note(4, 4, 4, true) == "4 stages on 4 workers: every rank has a worker of its own");
  CHECK(report::worker_note(1, 1, 1, false).find("1 stage on 1 worker: ") == 0);
}
