<?php
$wp_version = get_version();
