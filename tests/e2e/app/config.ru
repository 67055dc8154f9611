# SPDX-License-Identifier: GPL-2.0-or-later
# The Rack application behind puma; paths as in wsgi.py. LOG names its access log: method, path, status.
SLEEPS = { "/slow/short" => 0.03, "/slow/medium" => 0.12, "/slow/long" => 0.4 }
STATUS = { "/bad" => 400, "/private" => 403, "/fail" => 500, "/upstream" => 502 }
PLAIN = %r{\A/(users/\d+/orders|items/[0-9a-f-]{36}|blobs/[0-9a-f]{40}|search)?\z}
Log = File.open(ENV["LOG"], "a")

def answer(env)
  path, method = env["PATH_INFO"], env["REQUEST_METHOD"]
  text = ->(code, body, more = {}) { [code, { "Content-Length" => body.bytesize.to_s }.merge(more), method == "HEAD" ? [] : [body]] }
  if path == "/echo"
    return text.(200, "#{env["rack.input"].read.bytesize}\n")
  elsif SLEEPS[path]
    sleep SLEEPS[path]
    return text.(200, "slept\n")
  elsif STATUS[path]
    return text.(STATUS[path], "no\n")
  elsif path == "/readonly" && method == "POST"
    return text.(405, "no\n", "Allow" => "GET")
  elsif path == "/empty"
    return [204, {}, []]
  elsif path == "/cached"
    return [304, { "ETag" => '"1"' }, []]
  elsif path == "/old"
    return text.(301, "moved\n", "Location" => "/")
  elsif path == "/chunked"
    return [200, { "Content-Type" => "text/plain" }, (0...10).lazy.map { |i| "piece #{i}\n" * 20 }]
  end
  text.(path =~ PLAIN ? 200 : 404, "path #{path}\n")
end

run lambda { |env|
  result = answer(env)
  Log.syswrite("#{env["REQUEST_METHOD"]}\t#{env["PATH_INFO"]}\t#{result[0]}\n")
  result
}
