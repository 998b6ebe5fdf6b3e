#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>

#include <sys/resource.h>

#include "peers/collect/archive.h"
#include "peers/collect/tree.h"

/// What collecting a tree costs: `collect_benchmark DIRECTORY INTO [tar|targz|tarbz2|tarzst] [whole|cedar]`.
/// CONTRIBUTING.md says what to hold it against.
namespace peerstage {
namespace {

class IntoArchive : public peers::collect::TreeReceiver {
 public:
  explicit IntoArchive(peers::collect::Archive& archive) : archive_(archive) {}
  void entry(const peers::collect::TreeEntry& entry) override {
    const auto archived = archive_.add(entry);
    if (archived.outcome != peers::collect::Archived::Outcome::whole) std::cerr << archived.sentence << '\n';
  }
  void skipped(const std::string& path, const std::string& reason) override {
    std::cerr << path << ": " << reason << '\n';
  }
  void failed(const std::string&, const std::string& sentence) override { std::cerr << sentence << '\n'; }

 private:
  peers::collect::Archive& archive_;
};

config::ArchiveMode mode_named(const std::string& name) {
  if (name == "targz") return config::ArchiveMode::targz;
  if (name == "tarbz2") return config::ArchiveMode::tarbz2;
  if (name == "tarzst") return config::ArchiveMode::tarzst;
  return config::ArchiveMode::tar;
}

void run(const std::string& top, const std::string& into, const std::string& mode, bool is_cedar) {
  const auto start = std::chrono::steady_clock::now();
  peers::collect::Archive::Options options;
  options.mode = mode_named(mode);
  options.content = is_cedar ? config::ArchiveContent::cedar : config::ArchiveContent::whole;
  peers::collect::TreeRules rules;
  rules.content = options.content;
  const auto where = peers::staging::Directory::open(into);
  peers::collect::Archive archive(
      where, peers::collect::archive_name(top) + peers::collect::archive_ending(options.mode), options);
  IntoArchive receiver(archive);
  peers::collect::walk_tree(top, rules, receiver);
  const auto archived = std::chrono::steady_clock::now();
  const auto committed = archive.commit();
  const auto end = std::chrono::steady_clock::now();
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const std::chrono::duration<double> whole = end - start, syncing = end - archived;
  std::cout << committed.name << ": " << committed.entries << " entries, " << committed.size << " bytes, "
            << whole.count() << " s (" << syncing.count() << " s of them for the disk), " << usage.ru_maxrss
            << " KiB\n"
            << committed.sum.hex() << '\n';
}

}  // namespace
}  // namespace peerstage

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: collect_benchmark DIRECTORY INTO [tar|targz|tarbz2|tarzst] [whole|cedar]\n";
    return EXIT_FAILURE;
  }
  try {
    peerstage::run(argv[1], argv[2], argc > 3 ? argv[3] : "tar", argc > 4 && std::string(argv[4]) == "cedar");
    return EXIT_SUCCESS;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return EXIT_FAILURE;
  }
}
