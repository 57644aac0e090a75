-- What wrk sends. Arguments: METHOD BODY_BYTES, then optionally FILE FIRST. Without a file, the URL's path with the
-- headers of the command line; with one, its lines `PATH TOKEN` in turn, from line FIRST on, around and around.

function init(args)
  wrk.method = args[1]
  local bytes = tonumber(args[2])
  if bytes > 0 then
    wrk.body = string.rep("x", bytes)
    wrk.headers["Content-Type"] = "application/octet-stream"
  end
  if args[3] ~= nil then sendLines(args[3], tonumber(args[4])) end
end

-- Only a script that has `request` is asked for each request; without it wrk repeats one.
function sendLines(file, first)
  local requests = {}
  local count = 0
  for line in io.lines(file) do
    local path, token = string.match(line, "^(%S+) (%S+)$")
    wrk.headers["Authorization"] = "Bearer " .. token
    count = count + 1
    requests[count] = wrk.format(nil, path)
  end
  local at = first % count
  request = function()
    at = at % count + 1
    return requests[at]
  end
end
