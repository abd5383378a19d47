// The side that computes: one engine, served to whoever holds the other end of a socket.
#pragma once

#include <functional>
#include <memory>

#include "core/api/engine.h"
#include "core/base/descriptor.h"

namespace likeness::remote {

using OpenEngine =
    std::function<api::Result<std::shared_ptr<api::Engine>>(const api::EngineOptions& options)>;

/// Makes the engine that the first message asks for, and serves it until the other side ends the
/// connection or breaks its rules; then the engine is destroyed, as it is when a program ends: what
/// runs is stopped and keeps a checkpoint, and the last events are still told. True when the rules
/// were kept.
bool serveEngine(base::Descriptor socket, const OpenEngine& open);

}  // namespace likeness::remote
