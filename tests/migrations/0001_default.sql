CREATE TABLE in_the_default_directory (id int);
