#include "staging_fixture.h"

#include <filesystem>
#include <sstream>

#include <sys/stat.h>

namespace peerstage::peers::staging {
namespace {

namespace fs = std::filesystem;

std::string octal(unsigned mode) {
  std::ostringstream text;
  text << std::oct << (mode & 07777U);
  return text.str();
}

std::string description(const fs::path& path, const struct stat& status) {
  if (S_ISLNK(status.st_mode)) return "-> " + fs::read_symlink(path).string();
  if (S_ISDIR(status.st_mode)) return octal(status.st_mode) + " directory";
  if (S_ISREG(status.st_mode)) return octal(status.st_mode) + " " + read_text(path);
  return "special";
}

std::string traces(const struct stat& status) {
  std::ostringstream text;
  text << status.st_ino << ' ' << status.st_mode << ' ' << status.st_mtim.tv_sec << '.'
       << status.st_mtim.tv_nsec << ' ' << status.st_ctim.tv_sec << '.' << status.st_ctim.tv_nsec;
  // The walk itself reads directories.
  if (S_ISREG(status.st_mode)) text << ' ' << status.st_atim.tv_sec << '.' << status.st_atim.tv_nsec;
  return text.str();
}

template <typename Describe>
Tree walk(const std::string& top, Describe describe) {
  Tree tree;
  if (!fs::exists(top)) return tree;
  for (const auto& entry : fs::recursive_directory_iterator(top)) {
    struct stat status {};
    ::lstat(entry.path().c_str(), &status);
    tree[entry.path().lexically_relative(top).string()] = describe(entry.path(), status);
  }
  return tree;
}

}  // namespace

Tree tree_of(const std::string& path) {
  return walk(path, description);
}

Tree traces_of(const std::string& path) {
  return walk(path, [](const fs::path&, const struct stat& status) { return traces(status); });
}

Tree without_manifest(Tree tree) {
  tree.erase("cback.sha256");
  return tree;
}

bool exists(const std::string& path) {
  return fs::symlink_status(path).type() != fs::file_type::not_found;
}

StagingFixture::StagingFixture() : staging_dir(temporary / "staging") {
  peer.add_directory("/collect");
  options.minimum_free = config::ByteCount{0};
}

StagedTree StagingFixture::stage() {
  StagingArea area = StagingArea::open(staging_dir, std::nullopt, options.mode);
  if (!area.try_lock()) throw std::runtime_error("the lock is held");
  area.remove_leftovers({"web1"}, observer);
  area.open_day(today);
  PeerPlace place = area.place("web1");
  struct CloseDay {
    StagingArea& area;
    ~CloseDay() {
      try {
        area.close_day();
      } catch (const PeerError&) {  // an empty day stays
      }
    }
  } const close_day{area};
  return stage_tree(peer, "/collect", place, options, observer);
}

Failure StagingFixture::failure() {
  try {
    stage();
  } catch (const PeerError& error) {
    return error.failure();
  }
  ADD_FAILURE() << "staging succeeded";
  return {};
}

}  // namespace peerstage::peers::staging
