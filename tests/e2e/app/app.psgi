# SPDX-License-Identifier: GPL-2.0-or-later
# The PSGI application behind starman and twiggy; paths as in wsgi.py.
use strict;
use warnings;
use Time::HiRes 'sleep';

my %sleeps = ('/slow/short' => 0.03, '/slow/medium' => 0.12, '/slow/long' => 0.4);
my %status = ('/bad' => 400, '/private' => 403, '/fail' => 500, '/upstream' => 502);

sub {
	my ($env) = @_;
	my ($path, $method) = @$env{qw(PATH_INFO REQUEST_METHOD)};
	my $answer = sub {
		my ($code, $body, @more) = @_;
		[$code, ['Content-Type', 'text/plain', 'Content-Length', length $body, @more], $method eq 'HEAD' ? [] : [$body]];
	};
	if ($path eq '/echo') {
		my ($n, $piece) = (0, '');
		while (my $read = $env->{'psgi.input'}->read($piece, 65536)) { $n += $read }
		return $answer->(200, "$n\n");
	}
	if ($sleeps{$path}) {
		sleep $sleeps{$path};
		return $answer->(200, "slept\n");
	}
	return $answer->($status{$path}, "no\n") if $status{$path};
	return [204, [], []] if $path eq '/empty';
	return [304, ['ETag', '"1"'], []] if $path eq '/cached';
	return $answer->(301, "moved\n", 'Location', '/') if $path eq '/old';
	return [200, ['Content-Type', 'text/plain'], [map { "piece $_\n" x 20 } 0 .. 9]] if $path eq '/chunked';
	return $answer->($path =~ m{^/(users/\d+/orders|items/[0-9a-f-]{36}|blobs/[0-9a-f]{40}|search)?\z} ? 200 : 404, "path $path\n");
};
