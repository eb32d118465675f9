#!/usr/bin/env perl
# A complete job in Perl: log in, stores, project, items, plan, run, results, clean up, log out.
#
#   sync_project.pl http://SERVER:8080 LOGIN PASSWORD_FILE SOURCE TARGET [PROJECT]
#
# SOURCE and TARGET are addresses of registries: `host[:port]`, or `http://host:port` for one
# without TLS. The project (default: perl-example) must not exist yet. It is deleted at the end; copied
# images stay. Needs RPC::XML (Debian: librpc-xml-perl).
use strict;
use warnings;
use RPC::XML;
use RPC::XML::Client;

# Otherwise RPC::XML sends text that looks like a number as a number, and the tag 1.10 becomes 1.1.
$RPC::XML::FORCE_STRING_ENCODING = 1;
$| = 1;

my ($url, $login, $password_file, $source, $target, $project) = @ARGV;
die "usage: $0 URL LOGIN PASSWORD_FILE SOURCE TARGET [PROJECT]\n" unless defined $target;
$project //= 'perl-example';
$url =~ s{/$}{};

open my $file, '<', $password_file or die "$password_file: $!\n";
chomp(my $password = <$file>);
close $file;

my $client = RPC::XML::Client->new("$url/rpc/api");

# Calls a method; a fault ends the script with its text.
sub call {
    my ($method, @arguments) = @_;
    my $answer = $client->send_request($method, @arguments);
    die "$method: $answer\n" unless ref $answer;
    die sprintf("the server refused %s: %s (%d)\n", $method, $answer->string, $answer->code)
        if $answer->is_fault;
    return $answer->value;
}

sub int_of { return RPC::XML::int->new(shift) }

my $key = call('auth.login', $login, $password);
print "logged in\n";

my ($from, $to) = ("$project-source", "$project-target");
call('image.store.create', $key, $from, $source, 'registry', {});
call('image.store.create', $key, $to, $target, 'registry', {});
print "created the store $_->{label} ($_->{uri})\n"
    for map { call('image.store.getDetails', $key, $_) } $from, $to;

call('registrysync.create', $key, $project, $from, $to);
my $changed = call('registrysync.setDetails', $key, $project, { description => 'created in Perl' });
print "created the project $changed->{label}, $changed->{description}\n";

# A tag list and a regular expression are two forms of the same method.
call('registrysync.addImage', $key, $project, 'library/nginx', ['1.26.0']);
my $item = call('registrysync.addImage', $key, $project, 'library/busybox', '^1\.3[67]');
my ($first) = grep { $_->{repository} eq 'library/nginx' }
    @{ call('registrysync.listImages', $key, $project) };
call('registrysync.updateImage', $key, int_of($first->{id}), { tags => ['1.26.0', 'latest'] });
print "items: library/nginx, $item->{repository}\n";

my $plan = call('registrysync.plan', $key, $project);
print "plan (nothing is written yet):\n";
printf "  %-7s %s:%s\n", @{$_}{qw(action repository tag)} for @{ $plan->{actions} };

my $id = call('registrysync.run', $key, $project);
my $run;
while (1) {
    $run = call('registrysync.getRun', $key, int_of($id));
    last unless $run->{status} =~ /^(READY|RUNNING)$/;
    select undef, undef, undef, 0.5;
}
print "run $id: $run->{status}, $run->{counts}{copied} copied, $run->{counts}{failed} failed\n";
printf "  %-7s %-7s %s:%s %s\n", @{$_}{qw(action status repository tag)}, $_->{error} // ''
    for @{ call('registrysync.listRunResults', $key, int_of($id)) };

call('registrysync.removeImage', $key, int_of($item->{id}));
call('registrysync.delete', $key, $project);
call('image.store.delete', $key, $_) for $from, $to;
call('auth.logout', $key);
print "logged out\n";
exit($run->{status} eq 'FINISHED' ? 0 : 1);
