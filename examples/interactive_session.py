"""Talk to HeyGen's Video Agent: a prompt, one change, an approval, and a video to keep."""

import argparse
import asyncio

from heygen_async import Cadence, HeyGen, HeyGenError, Session
from heygen_async.testing import Simulator, SimulatorServer


async def converse(heygen: HeyGen, prompt: str) -> None:
    """Create a session, ask for one change, approve, and download the video."""
    changes = iter(["Warmer opening shot, please"])
    print("you     ", prompt)
    session = await heygen.sessions.create(prompt, orientation="landscape")
    print("session ", session.id)
    while await follow(session):
        change = next(changes, None)
        print("you     ", change or "(approves)")
        await (session.send(change) if change else session.approve())
    video = await session.video()
    path = await video.download(f"{session.id}.mp4", overwrite=True)
    print("video   ", f"{path}, {(await asyncio.to_thread(path.stat)).st_size:,} bytes, {video.duration} s")


async def follow(session: Session) -> bool:
    """Show each transition and what the agent says; return whether it waits for a review."""
    async for state in session.watch():
        print("status  ", f"{state.previous or 'new'} ({state.elapsed:.1f} s) -> {state.status}")
        for message in (new for new in state.new_messages if new.role == "model"):
            print("agent   ", message.content)
            for resource_id in message.resource_ids or ():
                print("        ", (await session.resource(resource_id)).url)
        if state.status == "waiting_for_input":
            await session.send("Please decide that for me.")
    return session.state is not None and session.state.is_paused


async def main(prompt: str, *, live: bool) -> None:
    """Talk to the real service, or to a simulated one that lives twelve times as fast."""
    if live:
        async with HeyGen() as heygen:
            await converse(heygen, prompt)
    else:
        print("A simulated Video Agent: no key, no cost. Add --live for the real one.\n")
        service, looks = SimulatorServer(Simulator(speed=12)), Cadence.constant(0.5)
        async with service, HeyGen("test-key", base_url=service.url, cadence=looks) as heygen:
            await converse(heygen, prompt)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prompt", nargs="?", default="A 30-second intro to our espresso machine")
    parser.add_argument("--live", action="store_true", help="real and paid, with your HEYGEN_API_KEY")
    try:
        asyncio.run(main(**vars(parser.parse_args())))
    except KeyboardInterrupt:
        print("  Interrupted; a live session goes on at the service.")
        raise SystemExit(130) from None
    except HeyGenError as error:
        raise SystemExit(f"{type(error).__name__}: {error}\n{error.hint}") from None
