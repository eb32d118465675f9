#!/usr/bin/env ruby
# frozen_string_literal: true

# A complete job in Ruby: log in, stores, project, items, plan, run, results, clean up, log out.
#
#   sync_project.rb http://SERVER:8080 LOGIN PASSWORD_FILE SOURCE TARGET [PROJECT]
#
# SOURCE and TARGET are addresses of registries: `host[:port]`, or `http://host:port` for one
# without TLS. The project (default: ruby-example) must not exist yet. It is deleted at the end; copied
# images stay. Needs the gem xmlrpc (Debian: ruby-xmlrpc).

require 'xmlrpc/client'

$stdout.sync = true
url, login, password_file, source, target, project = ARGV
abort "usage: #{$PROGRAM_NAME} URL LOGIN PASSWORD_FILE SOURCE TARGET [PROJECT]" unless target
project ||= 'ruby-example'

# A session; adds its key to each call as the first argument.
class Session
  def initialize(url, login, password)
    @client = XMLRPC::Client.new2("#{url.chomp('/')}/rpc/api")
    @key = @client.call('auth.login', login, password)
  end

  def call(method, *arguments)
    @client.call(method, @key, *arguments)
  end
end

def run_ended(session, id)
  loop do
    run = session.call('registrysync.getRun', id)
    return run unless %w[READY RUNNING].include?(run['status'])

    sleep 0.5
  end
end

begin
  session = Session.new(url, login, File.open(password_file, &:readline).chomp)
  puts 'logged in'

  stores = { "#{project}-source" => source, "#{project}-target" => target }
  stores.each do |label, address|
    session.call('image.store.create', label, address, 'registry', {})
    details = session.call('image.store.getDetails', label)
    puts "created the store #{details['label']} (#{details['uri']})"
  end

  session.call('registrysync.create', project, *stores.keys)
  changed = session.call('registrysync.setDetails', project, { 'description' => 'created in Ruby' })
  puts "created the project #{changed['label']}, #{changed['description']}"

  # A tag list and a regular expression are two forms of the same method.
  first = session.call('registrysync.addImage', project, 'library/nginx', ['1.26.0'])
  second = session.call('registrysync.addImage', project, 'library/busybox', '^1\.3[67]')
  session.call('registrysync.updateImage', first['id'], { 'tags' => %w[1.26.0 latest] })
  items = session.call('registrysync.listImages', project)
  puts "items: #{items.map { |item| item['repository'] }.join(', ')}"

  puts 'plan (nothing is written yet):'
  session.call('registrysync.plan', project)['actions'].each do |action|
    puts format('  %-7s %s:%s', *action.values_at('action', 'repository', 'tag'))
  end

  id = session.call('registrysync.run', project)
  run = run_ended(session, id)
  counts = run['counts']
  puts "run #{id}: #{run['status']}, #{counts['copied']} copied, #{counts['failed']} failed"
  session.call('registrysync.listRunResults', id).each do |result|
    puts format('  %-7s %-7s %s:%s %s', *result.values_at('action', 'status', 'repository', 'tag', 'error')).rstrip
  end

  session.call('registrysync.removeImage', second['id'])
  session.call('registrysync.delete', project)
  stores.each_key { |label| session.call('image.store.delete', label) }
  session.call('auth.logout')
  puts 'logged out'
  exit(run['status'] == 'FINISHED')
rescue XMLRPC::FaultException => e
  abort "the server refused: #{e.faultString} (#{e.faultCode})"
end
