// Preloaded: the server would listen on all interfaces.
const net = require("node:net");

const { listen } = net.Server.prototype;

net.Server.prototype.listen = function (port, ...rest) {
  if (typeof port !== "number" || typeof rest[0] === "string") {
    throw new Error("kinesis-local listens otherwise than it used to");
  }

  return listen.call(this, port, "127.0.0.1", ...rest);
};
