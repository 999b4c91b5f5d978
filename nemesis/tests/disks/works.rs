//! What programs do to files works.

use std::fs;

use nemesis::hosts::{HostId, Rung};

use crate::lab::{Lab, wait_until};
use crate::runner::Test;

pub const TESTS: &[Test] = &[
    ("a_disk_is_an_empty_file_system_of_the_host_alone", a_disk_is_an_empty_file_system_of_the_host_alone),
    ("files_directories_and_links_work", files_directories_and_links_work),
    ("rename_has_all_its_variants", rename_has_all_its_variants),
    ("space_is_allocated_and_given_back", space_is_allocated_and_given_back),
    ("files_without_names_work", files_without_names_work),
    ("direct_and_appending_writes_work", direct_and_appending_writes_work),
    ("ranges_are_copied", ranges_are_copied),
    ("locks_exclude", locks_exclude),
    ("extended_attributes_work", extended_attributes_work),
    ("memory_maps_work", memory_maps_work),
    ("programs_run_from_the_disk", programs_run_from_the_disk),
    ("large_directories_are_listed_and_removed", large_directories_are_listed_and_removed),
    ("set_user_id_goes_when_somebody_writes", set_user_id_goes_when_somebody_writes),
    ("files_come_in_and_out", files_come_in_and_out),
    ("a_disk_can_be_wiped_and_rolled_back_under_a_running_host", a_disk_can_be_wiped_and_rolled_back),
];

fn a_disk_is_an_empty_file_system_of_the_host_alone(rung: Rung) {
    let lab = Lab::new(rung);
    fs::write(lab.data().join("beneath"), "hidden").unwrap();
    assert_eq!(
        lab.shell("ls -A; echo new > new; stat -f -c %T . | head -c 4; df -B1 --output=size . | tail -1"),
        "fuse4294967296"
    );
    assert_eq!(fs::read_dir(lab.data()).unwrap().count(), 1);
    assert!(lab.disk.stats().operations.values().sum::<u64>() > 0);
    assert!(lab.disk.stats().written_bytes == 4);
}

fn files_directories_and_links_work(rung: Rung) {
    let lab = Lab::new(rung);
    let script = "
        mkdir -p a/b/c; echo one > a/b/one; ln a/b/one two; ln -s a/b/one three; cat two three
        stat -c '%h %s %F' two; stat -c '%h %F' a/b; readlink three
        chmod 640 two; stat -c %a a/b/one; touch -d @12345.678901234 two; stat -c %.9Y a/b/one
        rm a/b/one; cat two; cat three 2>/dev/null || echo dangling; stat -c %h two
        rmdir a 2>/dev/null || echo not empty; mv a/b d; ls -A a d; rm -r a; mkfifo pipe; stat -c %F pipe
        head -c 3000000 /dev/zero | tr '\\0' z > big; truncate -s 2500000 big; tr -d z < big | wc -c; stat -c %s big
        cd d/c; pwd | grep -o 'd/c$'; ls -a | tr '\\n' ' '";
    let expected = "one\none\n2 4 regular file\n3 directory\na/b/one\n640\n12345.678901234\none\ndangling\n1\nnot empty\na:\n\nd:\nc\nfifo\n0\n2500000\nd/c\n. ..";
    assert_eq!(lab.shell(script), expected);
}

fn rename_has_all_its_variants(rung: Rung) {
    let lab = Lab::new(rung);
    assert_eq!(lab.run(&["rename"]), "EEXIST\nok\nok\nba\nENOENT\nEINVAL\nEISDIR\nok\na");
}

fn space_is_allocated_and_given_back(rung: Rung) {
    let lab = Lab::new(rung);
    let expected = "size 16384 blocks 32\nsize 16384 blocks 48\nsize 16384 blocks 32\n4096 12288\nENXIO\n8192\ntrue\nsize 1099511627776 blocks 32";
    assert_eq!(lab.run(&["space"]), expected);
    assert_eq!(lab.disk.stats().used_bytes, 16384);
    lab.shell("rm space");
    // The kernel says a little later that it has forgotten the file.
    wait_until("room", || lab.disk.stats().used_bytes == 0);
}

fn files_without_names_work(rung: Rung) {
    let lab = Lab::new(rung);
    assert_eq!(lab.run(&["unnamed"]), "0\nunnamed\nunnamed again");
    wait_until("room", || lab.disk.stats().used_bytes == 0);
}

fn direct_and_appending_writes_work(rung: Rung) {
    assert_eq!(Lab::new(rung).run(&["direct"]), "d123");
}

fn ranges_are_copied(rung: Rung) {
    assert_eq!(Lab::new(rung).run(&["copy-range"]), "200000");
}

fn locks_exclude(rung: Rung) {
    assert_eq!(Lab::new(rung).run(&["locks"]), "true\ntrue");
}

fn extended_attributes_work(rung: Rung) {
    let lab = Lab::new(rung);
    let script = "import os
open('f', 'w').close()
os.setxattr('f', 'user.one', b'1' * 1000)
os.setxattr('f', 'user.two', b'2', os.XATTR_CREATE)
print(sorted(os.listxattr('f')), len(os.getxattr('f', 'user.one')))
for flags, name in ((os.XATTR_CREATE, 'user.two'), (os.XATTR_REPLACE, 'user.three')):
    try: os.setxattr('f', name, b'', flags)
    except OSError as e: print(e.errno)
os.removexattr('f', 'user.one')
print(os.listxattr('f'))";
    assert_eq!(python(&lab, script), "['user.one', 'user.two'] 1000\n17\n61\n['user.two']");
}

fn memory_maps_work(rung: Rung) {
    let lab = Lab::new(rung);
    let script = "import mmap, os
f = open('f', 'w+b'); f.write(b'a' * 10000); f.flush()
shared = mmap.mmap(f.fileno(), 10000)
private = mmap.mmap(f.fileno(), 10000, access=mmap.ACCESS_COPY)
private[0:2] = b'pp'
shared[5000:5002] = b'ss'
print(private[5000:5002], os.pread(f.fileno(), 2, 0), os.pread(f.fileno(), 2, 5000))
shared.flush()
os.ftruncate(f.fileno(), 12000)
print(os.fstat(f.fileno()).st_size)
print('shared'); import sys; sys.stdout.flush()
shared[9000:9002] = b'nn'";
    assert_eq!(python(&lab, script), "b'ss' b'aa' b'ss'\n12000\nshared");
    assert_eq!(lab.shell("head -c 5002 f | tail -c 2; head -c 9002 f | tail -c 2"), "ssnn");
}

fn programs_run_from_the_disk(rung: Rung) {
    let lab = Lab::new(rung);
    assert_eq!(lab.shell("cp /bin/echo ./program; ./program it runs"), "it runs");
}

fn large_directories_are_listed_and_removed(rung: Rung) {
    let lab = Lab::new(rung);
    let script = "mkdir d; cd d; seq -f 'a-rather-long-name-of-a-file-%g' 5000 | xargs touch; ls | wc -l; cd ..; rm -r d; ls -A | wc -l";
    assert_eq!(lab.shell(script), "5000\n0");
}

fn set_user_id_goes_when_somebody_writes(rung: Rung) {
    let lab = Lab::new(rung);
    let script = "echo x > f; chmod 6777 f; stat -c %a f; chown \"$(id -u)\" f; stat -c %a f";
    assert_eq!(lab.shell(script), "6777\n777");
}

fn files_come_in_and_out(rung: Rung) {
    let lab = Lab::new(rung);
    let from = lab.dir.path("from");
    fs::create_dir_all(from.join("deep/deeper")).unwrap();
    fs::write(from.join("deep/deeper/file"), vec![3; 10_000]).unwrap();
    std::os::unix::fs::symlink("deep", from.join("link")).unwrap();
    lab.disk.import(&from).unwrap();
    assert_eq!(lab.shell("wc -c < link/deeper/file; echo more >> deep/more"), "10000");
    lab.crash();
    assert_eq!(lab.shell("ls deep; echo new > new"), "deeper");
    let (live, durable) = (lab.dir.path("live"), lab.dir.path("durable"));
    lab.disk.export(&live).unwrap();
    lab.disk.export_durable(&durable).unwrap();
    assert_eq!(fs::read(live.join("link/deeper/file")).unwrap(), vec![3; 10_000]);
    assert_eq!(fs::read_to_string(live.join("new")).unwrap(), "new\n");
    assert!(durable.join("deep/deeper/file").exists() && !durable.join("new").exists());
}

fn a_disk_can_be_wiped_and_rolled_back(rung: Rung) {
    let lab = Lab::new(rung);
    lab.shell("mkdir d; echo old > d/f; ln d/f g; ls -R > /dev/null");
    let old = lab.disk.snapshot();
    lab.shell("echo new > d/f; rm g; echo h > h; ls > /dev/null");
    lab.disk.restore(&old);
    assert_eq!(lab.shell("ls; cat d/f g; stat -c %h g"), "d\ng\nold\nold\n2");
    lab.disk.wipe();
    assert_eq!(lab.shell("ls -A; echo there > d; cat d"), "there");
    lab.disk.restore(&old);
    lab.crash();
    assert_eq!(lab.shell("ls; cat g"), "d\ng\nold");
    assert_eq!(lab.hosts.process_count(HostId(0)).unwrap(), 0);
}

fn python(lab: &Lab, script: &str) -> String {
    if !crate::databases::installed("python3") {
        crate::runner::skip("python3 is not installed");
    }
    lab.run_program(&["python3", "-c", script])
}
