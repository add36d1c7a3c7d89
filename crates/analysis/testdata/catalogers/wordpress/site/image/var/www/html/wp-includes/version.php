<?php
/**
 * WordPress Version
 *
 * @package WordPress
 */

/**
 * The WordPress version string.
 *
 * @global string $wp_version
 */
$wp_version = '6.4.2';

$wp_db_version = 56657;

$required_php_version = '7.0.0';
