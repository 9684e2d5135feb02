#include "hal/disk/log_reader.hpp"

#include <algorithm>
#include <array>

#include "hal/base/crc32c.hpp"

namespace hal::disk {

ReadOne read_one(File& file, std::uint32_t seed, Position position, std::uint32_t limit, std::uint32_t body_bytes_max) {
    ReadOne result;
    std::array<char, 4096> first;  // frame and body of most records in one read
    const std::size_t room = limit > position.offset ? limit - position.offset : 0;
    const auto got = file.read_at(position.offset, first.data(), std::min(first.size(), room));
    const auto frame = got < format::frame_bytes ? std::nullopt : format::decode_frame(first.data(), seed, position.offset);
    if (!frame || frame->span() > room || frame->length > body_bytes_max || frame->type == format::seal_type) return result;
    auto& body = result.record.body;
    body.resize(frame->length);
    const auto copied = std::min<std::size_t>(got - format::frame_bytes, body.size());
    std::copy_n(first.data() + format::frame_bytes, copied, body.data());
    std::size_t have = copied;
    if (have < body.size()) have += file.read_at(std::uint64_t{position.offset} + format::frame_bytes + have, body.data() + have, body.size() - have);
    if (have < body.size() || crc32c(body) != frame->body_crc) {
        result.outcome = ReadOne::Outcome::damaged;
        result.damage = {{}, position.offset, frame->span(), "the body's checksum does not hold"};
        return result;
    }
    result.outcome = ReadOne::Outcome::record;
    result.record.position = position;
    result.record.type = frame->type;
    result.record.version = frame->version;
    return result;
}

ReadRun read_run(File& file, std::uint32_t seed, Position from, std::uint32_t limit, std::uint32_t bytes) {
    ReadRun run;
    // A short string would lie in the batch itself and move with it, and the views would not.
    run.batch.bytes.reserve(std::max<std::size_t>(64, std::min<std::size_t>(bytes, limit > from.offset ? limit - from.offset : 0)));
    struct Place {
        std::size_t at;
        std::size_t size;
    };
    std::vector<Place> places;
    format::Walk walk(file, seed, from.offset, limit, std::min<std::size_t>(bytes, 256 * 1024));
    run.batch.next = {from.segment, limit};
    while (run.batch.bytes.size() < bytes && places.size() < bytes / format::alignment) {
        const auto at = run.batch.bytes.size();
        const auto step = walk.next(&run.batch.bytes);
        if (step.kind == format::Walk::Step::Kind::damaged && run.damage.size() < ReadRun::damage_max)
            run.damage.push_back({{}, step.offset, step.span, step.frame ? "the body's checksum does not hold" : "no true record"});
        if (step.kind == format::Walk::Step::Kind::record && step.frame->type != format::seal_type) {
            run.batch.records.push_back({{from.segment, step.offset}, step.frame->type, step.frame->version, {}});
            places.push_back({at, run.batch.bytes.size() - at});
        } else if (step.kind == format::Walk::Step::Kind::end || step.kind == format::Walk::Step::Kind::record) {
            run.batch.next = {from.segment, limit};
            break;
        }
        run.batch.next = {from.segment, static_cast<std::uint32_t>(step.offset + step.span)};
    }
    for (std::size_t i = 0; i < places.size(); ++i)
        run.batch.records[i].body = std::string_view(run.batch.bytes).substr(places[i].at, places[i].size);
    return run;
}

}  // namespace hal::disk
