"""Servers that stand behind Forebay in tests, and know nothing of it: HTTP with a websocket, and gRPC."""

import asyncio
import concurrent.futures
import hashlib
import threading

import grpc
from aiohttp import web

MEBIBYTE = bytes(range(256)) * 4096
METRICS = b"# HELP other_total Somebody else's.\n# TYPE other_total counter\nother_total 7\n"


class HttpUpstream:
    """An HTTP/1.1 server on a thread of its own.

    `next_event` is what a test sets to let the next server-sent event out: a proxy that buffers would never deliver one.
    """

    def __init__(self):
        self.next_event = threading.Semaphore(0)
        self.bodies = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(30)
        self.address = f"http://127.0.0.1:{self.port}"

    async def _serve(self):
        app = web.Application(client_max_size=1 << 40)
        app.router.add_get("/events", self._events)
        app.router.add_get("/socket", self._socket)
        app.router.add_post("/digest", self._digest)
        app.router.add_get("/large", self._large)
        app.router.add_get("/health", self._health)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_route("*", "/{anything:.*}", self._echo)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return site._server.sockets[0].getsockname()[1]

    def close(self):
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)

    async def _events(self, request):
        answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await answer.prepare(request)
        for number in range(5):
            await asyncio.to_thread(self.next_event.acquire)
            await answer.write(f"data: {number}\n\n".encode())
        return answer

    async def _socket(self, request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is web.WSMsgType.TEXT:
                await socket.send_str(message.data)
            elif message.type is web.WSMsgType.BINARY:
                await socket.send_bytes(message.data)
        return socket

    async def _digest(self, request):
        digest, length = hashlib.sha256(), 0
        async for piece in request.content.iter_any():
            digest.update(piece)
            length += len(piece)
        return web.json_response({"sha256": digest.hexdigest(), "length": length})

    async def _large(self, request):
        answer = web.StreamResponse()
        await answer.prepare(request)
        for _ in range(int(request.query["mebibytes"])):
            await answer.write(MEBIBYTE)
        return answer

    async def _health(self, _):
        return web.Response(status=218, reason="Quite Fine", body=b"fine\r\n\x00\xff", headers={"content-type": "text/odd", "x-odd": "a, b"})

    async def _metrics(self, _):
        return web.Response(body=METRICS, headers={"content-type": "text/plain; version=0.0.4"})

    async def _echo(self, request):
        body = await request.read()
        headers = [[name, value] for name, value in request.headers.items()]
        return web.json_response({"method": request.method, "target": request.raw_path, "headers": headers, "body": body.decode("latin-1")})


class GrpcUpstream:
    """A gRPC server that echoes bytes: `/echo.Echo/Once`, `/echo.Echo/Stream` and `/echo.Echo/Fail`."""

    def __init__(self):
        self._server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
        self._server.add_generic_rpc_handlers((_Echo(),))
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self.address = f"http://127.0.0.1:{self.port}"
        self._server.start()

    def close(self):
        self._server.stop(0).wait(30)


class _Echo(grpc.GenericRpcHandler):
    def service(self, details):
        return {
            "/echo.Echo/Once": grpc.unary_unary_rpc_method_handler(self._once),
            "/echo.Echo/Stream": grpc.stream_stream_rpc_method_handler(self._stream),
            "/echo.Echo/Fail": grpc.unary_unary_rpc_method_handler(self._fail),
        }.get(details.method)

    @staticmethod
    def _once(message, context):
        context.set_trailing_metadata((("x-length", str(len(message))),))
        return message

    @staticmethod
    def _stream(messages, context):
        count = 0
        for message in messages:
            count += 1
            yield message
        context.set_trailing_metadata((("x-count", str(count)),))

    @staticmethod
    def _fail(_, context):
        context.set_trailing_metadata((("x-why", "asked to"),))
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "as asked")
