// ns-3 at the hold model: so many functions, each of which schedules itself again.
//
// Prints nanoseconds of processor time an event: hold SCHEDULER PENDING EVENTS
#include <ns3/core-module.h>

#include <cmath>
#include <ctime>
#include <iostream>

static uint64_t table[1024], draw = 0x9E3779B97F4A7C15u, done, warm, all;
static std::clock_t begin;

static void Again() {
    if (done == warm) begin = std::clock();
    if (++done == all) return ns3::Simulator::Stop();
    draw ^= draw >> 12, draw ^= draw << 25, draw ^= draw >> 27;
    uint64_t next = draw * 0x2545F4914F6CDD1Du;
    ns3::Simulator::Schedule(ns3::NanoSeconds(table[next % 1024]), &Again);
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    for (int i = 0; i < 1024; i++) table[i] = std::max(1.0, -1e6 * std::log((i + 0.5) / 1024));
    ns3::ObjectFactory scheduler(argv[1]);
    ns3::Simulator::SetScheduler(scheduler);
    uint64_t pending = std::stoull(argv[2]), events = std::stoull(argv[3]);
    warm = 2 * pending, all = warm + events;
    for (uint64_t i = 0; i < pending; i++) ns3::Simulator::Schedule(ns3::NanoSeconds(table[i % 1024]), &Again);
    ns3::Simulator::Run();
    std::cout << double(std::clock() - begin) / CLOCKS_PER_SEC * 1e9 / events << "\n";
}
